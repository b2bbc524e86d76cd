"""The agent's requests to Akeyless equal those of the official SDK for the same operation, field by field."""

import base64
import json
import subprocess

import pytest

from bed.certificates import CertificateAuthority
from harness.akeyless import akeyless_class, same_body
from harness.akeyless_sdk import aws_cloud_id
from harness.driver import Pod
from test_akeyless import AS_POD, AWS_ENVIRONMENT, AWS_KEY, entry, kubernetes_class, kubernetes_method
from test_akeyless_gateway import challenge_signed

# Not compared: `json` is an option for command lines; the API returns JSON regardless.
WITHOUT = {"json"}


def sent(akeyless, command: str, since: int = 0) -> list[dict]:
    """Bodies of the requests with this command, without `json`."""
    return [{field: value for field, value in request["body"].items() if field not in WITHOUT}
            for request in akeyless.requests(since, command)]


def compare(akeyless, mark: int, *commands: str) -> None:
    """Compares the first request of each command before `mark` (the SDK's) with the first after it (the agent's)."""
    for command in commands:
        theirs, ours = sent(akeyless, command)[0], sent(akeyless, command, mark)
        assert ours, f"the agent sent no {command}"
        assert same_body(theirs, ours[0]) == [], command


READS = [
    # type, value, extensions of the object, the SDK's call and its fields
    ("STATIC_SECRET", "v", {}, "get_secret_value", {"names": ["/a"]}),
    ("STATIC_SECRET", "v", {"version": 1}, "get_secret_value", {"names": ["/a"], "version": 1}),
    ("STATIC_SECRET", "v", {"ignoreCache": True}, "get_secret_value", {"names": ["/a"], "ignore_cache": "true"}),
    ("ROTATED_SECRET", {"k": "v"}, {}, "get_rotated_secret_value", {"names": "/a"}),
    ("ROTATED_SECRET", {"k": "v"}, {"ignoreCache": True}, "get_rotated_secret_value", {"names": "/a", "ignore_cache": "true"}),
    ("CERTIFICATE", {"certificate_pem": "C"}, {}, "get_certificate_value", {"name": "/a"}),
    ("CLASSIC_KEY", {"key": "K"}, {"type": "classic-key"}, "export_classic_key", {"name": "/a"}),
    ("DYNAMIC_SECRET", "", {"type": "dynamic"}, "get_dynamic_secret_value", {"name": "/a"}),
    ("DYNAMIC_SECRET", "", {"type": "dynamic", "arguments": {"args": ["a=b"], "host": "h", "target": "t", "dbName": "d", "timeout": 20}},
     "get_dynamic_secret_value", {"name": "/a", "args": ["a=b"], "host": "h", "target": "t", "dbname": "d", "timeout": 20}),
    ("SSH_CERT_ISSUER", "", {"type": "ssh", "arguments": {"username": "ubuntu", "ttl": "10m"}}, "get_ssh_certificate",
     {"cert_issuer_name": "/a", "cert_username": "ubuntu", "ttl": 600}),
]


@pytest.mark.parametrize("type, value, extensions, call, fields", READS, ids=[f"{row[3]} {row[2]}" for row in READS])
def test_reads(akeyless, akeyless_driver, akeyless_tenant, sdk, type, value, extensions, call, fields):
    akeyless.add_item("/a", value, type=type)
    token = sdk.log_in(access_id=akeyless_tenant.access_id, access_key=akeyless_tenant.access_key)
    if call == "get_ssh_certificate":
        fields = {**fields, "public_key_data": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"}
    sdk.call(call, token=token, **fields)
    mark = akeyless.mark()
    akeyless_driver.mount(akeyless_tenant.spc(entry("f", "/a", **extensions)), akeyless_tenant.pod())
    compare(akeyless, mark, call.replace("_", "-"))


def test_a_description_a_list_and_a_pki_certificate(akeyless, akeyless_driver, akeyless_tenant, sdk, tmp_path):
    akeyless.add_item("/dir/a", "v")
    akeyless.add_item("/pki", type="PKI_CERT_ISSUER")
    token = sdk.log_in(access_id=akeyless_tenant.access_id, access_key=akeyless_tenant.access_key)
    sdk.call("describe_item", token=token, name="/dir/a")
    sdk.call("list_items", token=token, path="/dir/", auto_pagination="disabled")
    subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=web.bed.test", "-keyout", tmp_path / "key",
                    "-out", tmp_path / "csr"], check=True, capture_output=True)
    sdk.call("get_pki_certificate", token=token, cert_issuer_name="/pki", common_name="web.bed.test", alt_names="a.bed.test",
             csr_data_base64=base64.b64encode((tmp_path / "csr").read_bytes()).decode(), ttl="3600s")
    mark = akeyless.mark()
    pki = {"type": "pki", "arguments": {"commonName": "web.bed.test", "altNames": "a.bed.test", "ttl": "1h"}}
    akeyless_driver.mount(akeyless_tenant.spc(("f", "/dir/a"), entry("dir", "/dir", type="folder"), entry("crt", "/pki", **pki)),
                          akeyless_tenant.pod())
    compare(akeyless, mark, "auth", "describe-item", "list-items", "get-pki-certificate")


def test_a_login_by_kubernetes_and_by_a_token(akeyless, akeyless_driver, cluster, sdk, web):
    pod = web()
    access_id = kubernetes_method(akeyless, cluster, audience="akeyless")
    token = base64.b64encode(pod.tokens["akeyless"].encode()).decode()
    sdk.log_in(access_id=access_id, access_type="k8s", k8s_auth_config_name="the-cluster", k8s_service_account_token=token)
    akeyless.add_item("/a", "v")
    mark = akeyless.mark()
    akeyless_driver.mount(kubernetes_class(akeyless, access_id, ("f", "/a"), **AS_POD), pod)
    compare(akeyless, mark, "auth")
    assert sent(akeyless, "auth", mark)[0]["k8s-service-account-token"] == token


def test_a_login_by_jwt(akeyless, akeyless_driver, cluster, sdk, web):
    pod = web(audience="akeyless.io")
    access_id = akeyless.add_method("jwt", jwks=cluster.must("GET", "/openid/v1/jwks"), audience="akeyless.io")
    sdk.log_in(access_id=access_id, access_type="jwt", jwt=pod.tokens["akeyless.io"])
    akeyless.add_item("/a", "v")
    mark = akeyless.mark()
    akeyless_driver.mount(akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="jwt"), pod)
    compare(akeyless, mark, "auth")


def test_a_login_by_certificate(akeyless, start_akeyless_agent, sdk, tmp_path):
    authority = CertificateAuthority(tmp_path / "ca")
    client = authority.issue("node1")
    access_id = akeyless.add_method("cert", ca_pem=authority.pem)
    data = base64.b64encode(client.cert.read_bytes().strip()).decode()
    challenge = sdk.call("get_cert_challenge", access_id=access_id, cert_data=data)["challenge"]
    sdk.log_in(access_id=access_id, access_type="cert", cert_data=data, cert_challenge=challenge,
               signed_cert_challenge=challenge_signed(client.key, challenge))
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent({"certFile": str(client.cert), "certKeyFile": str(client.key)}).driver("akeyless")
    mark = akeyless.mark()
    driver.mount(akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="cert"), Pod("shop", "web-0", "uid"))
    compare(akeyless, mark, "get-cert-challenge", "auth")


def test_a_login_by_aws(akeyless, start_akeyless_agent, sdk):
    access_id = akeyless.add_method("aws_iam", keys={AWS_KEY[0]: {"secret": AWS_KEY[1], "session_token": AWS_KEY[2]}})
    sdk.log_in(access_id=access_id, access_type="aws_iam", cloud_id=aws_cloud_id(*AWS_KEY))
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent(env=AWS_ENVIRONMENT).driver("akeyless")
    mark = akeyless.mark()
    driver.mount(akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="aws_iam"), Pod("shop", "web-0", "uid"))
    compare(akeyless, mark, "auth")


def test_a_rotation_of_a_universal_identity(akeyless, akeyless_driver, sdk):
    access_id = akeyless.add_method("universal_identity")
    theirs = akeyless.add_uid_token(access_id)
    rotated = sdk.call("uid_rotate_token", uid_token=theirs, with_manual_ack=True)["token"]
    sdk.call("uid_rotate_token", uid_token=theirs, send_manual_ack_token=rotated)
    akeyless.add_item("/a", "v")
    mark = akeyless.mark()
    akeyless_driver.mount(akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="universal_identity",
                                         akeylessUIDInitToken=akeyless.add_uid_token(access_id)), Pod("shop", "web-0", "uid"))
    theirs, ours = sent(akeyless, "uid-rotate-token")[:2], sent(akeyless, "uid-rotate-token", mark)
    assert [same_body(*pair) for pair in zip(theirs, ours, strict=True)] == [[], []], json.dumps(ours)
