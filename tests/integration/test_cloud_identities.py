"""The sources of the node's cloud identity: each is used by the real binary to log in at the gateway.

moto verifies the AWS signatures: it recomputes them with botocore.
"""

import base64
import json
import re
import time
import urllib.parse

import jwt
import pytest

from bed.certificates import signing_key
from bed.moto import Moto
from harness.akeyless import akeyless_class
from harness.driver import Pod
from harness.metadata import MetadataServer

ROLES = "/latest/meta-data/iam/security-credentials/"
GOOGLE = "/computeMetadata/v1/instance/service-accounts/default/identity"
# The environment of the machine that runs the tests must not affect them.
NOTHING = {name: "" for name in (
    "HOME", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
    "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "IDENTITY_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS")}


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    with Moto(tmp_path_factory.mktemp("moto")) as started:
        yield started


@pytest.fixture
def metadata():
    with MetadataServer() as started:
        yield started


@pytest.fixture(scope="module")
def issuer_key(tmp_path_factory):
    """The key that signs Entra's and Google's tokens."""
    return signing_key(tmp_path_factory.mktemp("issuer"), "issuer")


def signed(key, **claims) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 600, **claims}, key.private.read_text(), "RS256")


@pytest.fixture
def logged_in(akeyless, start_agent):
    """Mounts a class with an agent in environment `env`; returns the body of its login. `key`: of the method's trusted issuer."""

    def run(access_type: str, env: dict, key=None, **parameters) -> dict:
        trust = {"public_keys": [key.public.read_text()]} if key else {}
        access_id = akeyless.add_method(access_type, **trust)
        akeyless.add_item("/a", "v")
        driver = start_agent(providers=("akeyless",), config={"providers": {"akeyless": {"allowPlainHttp": True, "gatewayUrl": akeyless.url}}},
                             env={**NOTHING, **env}).driver("akeyless")
        spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type=access_type, **parameters)
        outcome = driver.mount(spc, Pod("shop", "web-0", "uid"))
        assert outcome.files == {"f": b"v"}
        return akeyless.requests(0, "auth")[0]["body"]

    return run


def unpacked(cloud_id: str) -> tuple[str, str, dict]:
    """URL, body and headers in an AWS cloud-id."""
    members = json.loads(base64.b64decode(cloud_id, validate=True))
    url, body, headers = (base64.b64decode(members[f"sts_request_{part}"], validate=True).decode()
                          for part in ("url", "body", "headers"))
    return url, body, {name: values[0] for name, values in json.loads(headers).items()}


def role_credentials(moto) -> dict:
    """Credentials of the role, in the format of the container and instance endpoints."""
    moto.allow_unsigned(1)
    status, reply = moto.call("sts", {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": moto.role_arn,
                                      "RoleSessionName": "endpoint"})
    assert status == 200, reply
    text = {tag: re.search(f"<{tag}>(.*?)</{tag}>", reply)[1]
            for tag in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")}
    return {"Code": "Success", "Token": text.pop("SessionToken"), **text}


def who_signed(moto, cloud_id: str) -> str:
    """The caller's ARN after verification of the signature."""
    status, reply = moto.replay(*unpacked(cloud_id))
    assert status == 200, reply
    return re.search("<Arn>(.*?)</Arn>", reply)[1]


def test_aws_web_identity(moto, logged_in, tmp_path):
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")
    moto.allow_unsigned(1)
    login = logged_in("aws_iam", {"AWS_ROLE_ARN": moto.role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
                                  "AWS_ENDPOINT_URL_STS": moto.url, "AWS_REGION": "eu-west-1"})
    assert who_signed(moto, login["cloud-id"]).endswith(":assumed-role/app/nodekeep")


def test_aws_looks_at_every_byte_of_the_signature(moto, logged_in):
    """moto rejects a modified request; otherwise the other tests of this file would prove nothing."""
    credentials = role_credentials(moto)
    login = logged_in("aws_iam", {"AWS_ACCESS_KEY_ID": credentials["AccessKeyId"], "AWS_SESSION_TOKEN": credentials["Token"],
                                  "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"]})
    assert who_signed(moto, login["cloud-id"]).endswith(":assumed-role/app/endpoint")
    url, body, headers = unpacked(login["cloud-id"])
    changed = [
        (url.replace("sts.", "sts.eu-west-1."), body, headers),
        (url, body + "&Extra=1", headers),
        (url, body, {**headers, "X-Amz-Date": "20200101T000000Z"}),
        (url, body, {**headers, "Authorization": headers["Authorization"][:-1] + "x"}),
    ]
    for request in changed:
        status, reply = moto.replay(*request)
        assert status == 403 and "SignatureDoesNotMatch" in reply


def test_aws_container_endpoint(moto, metadata, logged_in, tmp_path):
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")
    metadata.answers["GET", "/v1/credentials"] = json.dumps(role_credentials(moto))
    login = logged_in("aws_iam", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": metadata.url + "/v1/credentials",
                                  "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)})
    assert who_signed(moto, login["cloud-id"]).endswith(":assumed-role/app/endpoint")
    assert metadata.seen[0].headers["authorization"] == "header.payload.signature"


def test_aws_instance_metadata(moto, metadata, logged_in):
    metadata.answers["PUT", "/latest/api/token"] = "session"
    metadata.answers["GET", ROLES] = "node-role"
    metadata.answers["GET", ROLES + "node-role"] = json.dumps(role_credentials(moto))
    login = logged_in("aws_iam", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url})
    assert who_signed(moto, login["cloud-id"]).endswith(":assumed-role/app/endpoint")
    assert [seen.headers.get("x-aws-ec2-metadata-token") for seen in metadata.seen] == [None, "session", "session"]


def entra_token(key) -> str:
    return signed(key, aud="https://management.azure.com/", iss="https://sts.windows.net/tenant/", oid="object")


def test_azure_workload_identity(metadata, issuer_key, logged_in, tmp_path):
    token = tmp_path / "token"
    token.write_text("header.payload.signature\n")
    entra = entra_token(issuer_key)
    metadata.answers["POST", "/tenant/oauth2/v2.0/token"] = json.dumps({"access_token": entra, "expires_in": 3599})
    login = logged_in("azure_ad", {"AZURE_ENVIRONMENT": "AzureCloud", "AZURE_AUTHORITY_HOST": metadata.url, "AZURE_TENANT_ID": "tenant",
                                   "AZURE_CLIENT_ID": "app", "AZURE_FEDERATED_TOKEN_FILE": str(token)}, issuer_key)
    assert base64.b64decode(login["cloud-id"]).decode() == entra
    form = dict(urllib.parse.parse_qsl(metadata.seen[0].body))
    assert form["client_assertion"] == "header.payload.signature"
    assert form["scope"] == "https://management.azure.com/.default"


@pytest.mark.parametrize("object_id", ["", "11111111-2222-3333-4444-555555555555"])
def test_azure_managed_identity(metadata, issuer_key, logged_in, object_id):
    entra = entra_token(issuer_key)
    metadata.answers["GET", "/metadata/identity/oauth2/token"] = json.dumps({"access_token": entra, "expires_in": "86399"})
    metadata.answers["GET", "/metadata/instance"] = json.dumps({"compute": {"azEnvironment": "AzurePublicCloud"}})
    parameters = {"akeylessAzureObjectID": object_id} if object_id else {}
    login = logged_in("azure_ad", {"AZURE_POD_IDENTITY_AUTHORITY_HOST": metadata.url},
                      issuer_key, **parameters)
    assert base64.b64decode(login["cloud-id"]).decode() == entra
    asked = metadata.seen[-1]
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(asked.target).query))
    assert query.get("object_id", "") == object_id and query["resource"] == "https://management.azure.com/"
    assert asked.headers["metadata"] == "true"


def test_google_metadata(metadata, issuer_key, logged_in):
    identity = signed(issuer_key, aud="akeyless.io", email="app@project.iam.gserviceaccount.com")
    metadata.answers["GET", GOOGLE] = identity
    login = logged_in("gcp", {"GCE_METADATA_HOST": metadata.address}, issuer_key)
    assert base64.b64decode(login["cloud-id"]).decode() == identity
    assert metadata.seen[0].target == GOOGLE + "?audience=akeyless.io&format=full"
    assert metadata.seen[0].headers["metadata-flavor"] == "Google"
