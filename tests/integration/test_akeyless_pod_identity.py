"""Cloud logins with the pod's identity: tokens of the real API server become identities of AWS, Azure and Google.

The gateway verifies them; moto verifies the AWS signatures as well.
"""

import re

import grpc
import pytest

from bed.moto import Moto
from bed.pod_clouds import AWS_AUDIENCE, AZURE_AUDIENCE, FEDERATION, GKE, GKE_POOL, PodClouds
from harness.akeyless import akeyless_class
from harness.driver import NOT_FINAL, Pod
from test_cloud_identities import NOTHING, unpacked

AS_POD = {"akeylessAuthAs": "pod"}
AT_ONCE = {"nodekeep/refreshAfter": "0s"}


@pytest.fixture
def clouds(cluster, issuer_key):
    with PodClouds(cluster, issuer_key) as started:
        yield started


class Identities:
    """One cloud's identities of the service accounts "web" and "batch", and an auth method that lets each read its own folder."""

    def __init__(self, name: str, clouds: PodClouds, akeyless, key, namespace: str):
        self.name = name
        trusted = {"public_keys": [key.public.read_text()]}
        if name == "aws":
            self.type, self.audience, claim = "aws_iam", AWS_AUDIENCE, "arn"
            self.of = {account: f"arn:aws:iam::123456789012:role/{account}" for account in ("web", "batch")}
            method = {"keys": clouds.role_key(self.of["web"]) | clouds.role_key(self.of["batch"])}
        elif name == "azure":
            self.type, self.audience, claim = "azure_ad", AZURE_AUDIENCE, "appid"
            self.of = {"web": "client-of-web", "batch": "client-of-batch"}
            method = trusted
        else:
            self.type, claim = "gcp", "email"
            self.provider, self.audience = (GKE, GKE_POOL) if name == "gke" else (FEDERATION, FEDERATION)
            self.of = {account: f"{account}@shop.iam.gserviceaccount.com" for account in ("web", "batch")}
            method = trusted
        for account, identity in self.of.items():
            clouds.trust(identity, namespace, account)
            akeyless.add_item(f"/{account}/s", f"secret of {account}")
        self.access_id = akeyless.add_method(self.type, rules=[
            {"path": f"/{account}/*", "capabilities": ["read", "list"], "sub_claims": {claim: [identity]}}
            for account, identity in self.of.items()], **method)
        self.gateway = akeyless.url

    def spc(self, identity_of: str, path_of: str | None = None, **parameters) -> dict:
        """A class with the identity of the account `identity_of` and the secret of `path_of` (default: the same account)."""
        identity = self.of[identity_of]
        more = {"aws": {"nodekeep/awsRoleARN": identity},
                "azure": {"nodekeep/azureClientID": identity, "nodekeep/azureTenantID": "tenant"}}.get(
            self.name, {"nodekeep/gcpServiceAccount": identity, "nodekeep/gcpProvider": getattr(self, "provider", "")})
        return akeyless_class(self.gateway, self.access_id, ("f", f"/{path_of or identity_of}/s"), access_type=self.type,
                              **AS_POD, **more, **parameters)


@pytest.fixture(params=["aws", "azure", "google", "gke"])
def identities(request, clouds, akeyless, issuer_key, namespace) -> Identities:
    return Identities(request.param, clouds, akeyless, issuer_key, namespace)


@pytest.fixture
def pod_of(cluster, namespace):
    """Creates pods of a service account in the real cluster, with a token as kubelet requests it; `audience` None: none."""
    for account in ("web", "batch"):
        cluster.create_service_account(namespace, account)

    def make(account: str, name: str, audience: str | None) -> Pod:
        made = cluster.create_pod(namespace, name, account)
        tokens = {audience: cluster.mint_token(namespace, account, audience, pod=made)} if audience else {}
        return Pod(namespace, name, made["metadata"]["uid"], account, tokens)

    return make


@pytest.fixture
def start_clouded_agent(start_akeyless_agent, clouds):
    def start(settings: dict | None = None, **options):
        return start_akeyless_agent(settings, env={**NOTHING, **clouds.environment}, **options)

    return start


def test_pods_of_two_accounts_are_two_identities_and_share_nothing(akeyless, clouds, start_clouded_agent, identities, pod_of):
    driver = start_clouded_agent().driver("akeyless")
    pods = {name: pod_of(name.split("-")[0], name, identities.audience) for name in ("web-0", "web-1", "batch-0")}
    for name, pod in pods.items():
        account = name.split("-")[0]
        for _ in range(2):
            assert driver.mount(identities.spc(account), pod).files == {"f": f"secret of {account}".encode()}
    # One login per pod: logins are not shared, not even between pods of the same account.
    assert akeyless.logins() == 3 and akeyless.failed_logins() == 0
    subject = f"system:serviceaccount:{pods['web-0'].namespace}:"
    assert clouds.grants == [(identities.of[name.split("-")[0]], subject + name.split("-")[0], name) for name in pods]
    # An identity may read its own folder only, and values read by other pods are not served to it.
    refused = driver.failure(identities.spc("web", path_of="batch"), pods["web-0"])
    assert refused.code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED), refused


def test_an_account_cannot_take_the_identity_of_another(akeyless, clouds, start_clouded_agent, identities, pod_of):
    driver = start_clouded_agent().driver("akeyless")
    assert driver.mount(identities.spc("web"), pod_of("web", "web-0", identities.audience)).files
    mark = akeyless.mark()
    failed = driver.failure(identities.spc("web"), pod_of("batch", "batch-0", identities.audience))
    assert "on behalf of the pod" in failed.message and failed.code not in NOT_FINAL, failed
    assert "authentication failed" in failed.message
    # The cloud refused the identity, so nothing was sent to the gateway, which counts failed logins.
    assert akeyless.requests(mark) == []
    assert [grant[2] for grant in clouds.grants] == ["web-0"]


def test_a_token_that_did_not_come_is_asked_of_the_api_server(akeyless, clouds, cluster, start_clouded_agent, identities, pod_of):
    pod = pod_of("web", "web-0", None)
    without = start_clouded_agent().driver("akeyless")
    assert f'"{identities.audience}" to spec.tokenRequests' in without.failure(identities.spc("web"), pod).message
    asking = start_clouded_agent(kubeconfig=cluster.kubeconfig).driver("akeyless")
    assert asking.mount(identities.spc("web"), pod).files == {"f": b"secret of web"}
    # The token is bound to the pod: the cloud saw the pod's name.
    assert [grant[2] for grant in clouds.grants] == ["web-0"]


def test_the_audience_can_be_another(clouds, start_clouded_agent, identities, pod_of):
    driver = start_clouded_agent().driver("akeyless")
    failed = driver.failure(identities.spc("web", **{"nodekeep/audience": "of-the-company"}), pod_of("web", "web-0", "of-the-company"))
    assert "on behalf of the pod" in failed.message  # these clouds do not accept it
    assert clouds.grants == []


def test_a_login_is_shared_where_the_operator_says_so(akeyless, clouds, start_clouded_agent, identities, pod_of):
    driver = start_clouded_agent({"shareByServiceAccount": True}).driver("akeyless")
    pods = [pod_of("web", f"web-{i}", identities.audience) for i in range(3)]
    for pod in pods:
        assert driver.mount(identities.spc("web"), pod).files == {"f": b"secret of web"}
    assert driver.mount(identities.spc("batch"), pod_of("batch", "batch-0", identities.audience)).files == {"f": b"secret of batch"}
    assert akeyless.logins() == len(clouds.grants) == 2


@pytest.mark.parametrize("identities", ["azure"], indirect=True)
def test_a_gateway_that_may_not_have_the_nodes_identity_may_have_the_pods(start_clouded_agent, identities, pod_of):
    driver = start_clouded_agent({"gatewayUrl": "https://elsewhere"}).driver("akeyless")
    assert driver.mount(identities.spc("web"), pod_of("web", "web-0", identities.audience)).files == {"f": b"secret of web"}
    of_node = {key: value for key, value in identities.spc("web").items()
               if key != "akeylessAuthAs" and not key.startswith("nodekeep/azure")}
    assert "nodeIdentityGateways" in driver.failure(of_node, pod_of("web", "web-1", identities.audience)).message


@pytest.mark.parametrize("identities", ["aws"], indirect=True)
@pytest.mark.parametrize("parameters, host, region", [
    ({}, "sts.amazonaws.com", "us-east-1"),
    ({"nodekeep/stsRegion": "eu-west-1"}, "sts.eu-west-1.amazonaws.com", "eu-west-1"),
    ({"nodekeep/stsRegion": "eu-west-1", "nodekeep/stsEndpoint": "https://sts.internal.test"}, "sts.internal.test", "eu-west-1")])
def test_what_is_signed_is_for_the_sts_that_the_class_names_and_is_not_sent_there(
        akeyless, start_clouded_agent, identities, pod_of, parameters, host, region):
    akeyless.set(sts_hosts=[re.escape(host)])
    driver = start_clouded_agent().driver("akeyless")
    # sts.internal.test does not exist: the gateway recomputes the signature for that host.
    assert driver.mount(identities.spc("web", **parameters), pod_of("web", "web-0", identities.audience)).files
    url, _, headers = unpacked(akeyless.requests(0, "auth")[0]["body"]["cloud-id"])
    assert url == f"https://{host}/" and f"/{region}/sts/aws4_request" in headers["Authorization"]


def test_the_sts_of_the_node_is_for_its_own_identity_too(akeyless, start_akeyless_agent):
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    akeyless.set(sts_hosts=[r"sts\.eu-west-1\.amazonaws\.com"])
    access_id = akeyless.add_method("aws_iam", keys={"AKIDEXAMPLE": {"secret": secret}})
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent({"stsRegion": "eu-west-1"}, env={
        **NOTHING, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secret}).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="aws_iam")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}


def test_moto_knows_the_roles_of_two_pods_by_what_they_signed(akeyless, start_akeyless_agent, pod_of, tmp_path):
    """moto accepts any token, but issues credentials of the requested role and verifies their signatures with botocore."""
    with Moto(tmp_path / "moto") as moto:
        roles = {"web": moto.role_arn, "batch": moto.add_role("batch")}
        access_id = akeyless.add_method("aws_iam")
        akeyless.add_item("/a", "v")
        driver = start_akeyless_agent(env={**NOTHING, "AWS_ENDPOINT_URL_STS": moto.url}).driver("akeyless")
        moto.allow_unsigned(2)
        for account, role in roles.items():
            spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="aws_iam", **AS_POD, **{"nodekeep/awsRoleARN": role})
            assert driver.mount(spc, pod_of(account, f"{account}-0", AWS_AUDIENCE)).files == {"f": b"v"}
        logins = akeyless.requests(0, "auth")
        seen = []
        for login in logins:
            status, reply = moto.replay(*unpacked(login["body"]["cloud-id"]))
            assert status == 200, reply
            seen.append(re.search("<Arn>(.*?)</Arn>", reply)[1].split(":", 5)[5])
        assert seen == ["assumed-role/app/nodekeep", "assumed-role/batch/nodekeep"]
