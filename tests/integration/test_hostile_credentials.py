"""A tenant that may write classes, start pods and run servers tries to get the credentials of the node.

Each attack runs next to an honest class that uses the same credential, so that the credential is loaded in the agent.
"""

import json

import pytest

from bed.akeyless import AkeylessGateway
from bed.certificates import CertificateAuthority
from harness.akeyless import akeyless_class, akeyless_objects
from harness.driver import Pod
from harness.metadata import MetadataServer
from harness.tenant import vault_class
from test_akeyless import kubernetes_method
from test_cloud_identities import GOOGLE, NOTHING, signed

AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


# -- Akeyless: the node's identity at a gateway of the tenant

@pytest.fixture
def evil(tmp_path):
    """The attacker's gateway, with a certificate of the attacker's own CA."""
    authority = CertificateAuthority(tmp_path / "evil-ca")
    with AkeylessGateway(tmp_path / "evil", tls=authority.issue("evil", ips=("127.0.0.1",))) as started:
        started.authority = authority
        yield started


@pytest.fixture
def metadata(issuer_key):
    """The metadata services of the clouds, each of which would return an identity for the node."""
    with MetadataServer() as started:
        started.answers[("GET", GOOGLE)] = signed(issuer_key, aud="akeyless.io", email="node@project.iam.gserviceaccount.com")
        started.answers[("GET", "/metadata/identity/oauth2/token")] = json.dumps(
            {"access_token": signed(issuer_key, oid="object"), "expires_in": "3600", "expires_on": "4102444800", "token_type": "Bearer"})
        yield started


class Node:
    """An agent with every credential that a node can have, otherwise with default settings."""

    def __init__(self, start_agent, akeyless, metadata, tmp_path, cluster, namespace, **settings):
        cluster.create_service_account(namespace, "nodekeep")
        (tmp_path / "login-token").write_text(cluster.mint_token(namespace, "nodekeep", None))
        self.access_id, self.access_key = akeyless.add_access_key()
        host = metadata.address
        self.agent = start_agent(
            providers=("akeyless",),
            config={"providers": {"akeyless": {"gatewayUrl": akeyless.url, "allowPlainHttp": True,
                                               "serviceAccountTokenFile": str(tmp_path / "login-token"), **settings}}},
            env={**NOTHING, **AWS, "AKEYLESS_ACCESS_KEY": self.access_key, "AKEYLESS_UID_INIT_TOKEN": "u-of-the-node",
                 "GCE_METADATA_HOST": host, "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{host}"})
        self.driver = self.agent.driver("akeyless")


@pytest.fixture
def node(start_agent, akeyless, metadata, tmp_path, cluster, namespace) -> Node:
    return Node(start_agent, akeyless, metadata, tmp_path, cluster, namespace)


K8S = {"akeylessK8sAuthConfigName": "the-cluster"}
NO_TYPE = {}
TYPES = {name: {"akeylessAccessType": name, **K8S} for name in ("access_key", "aws_iam", "azure_ad", "gcp", "k8s", "universal_identity")}
ATTACKS = {"no type": K8S, "an unknown type": {"akeylessAccessType": "aws", **K8S}, **TYPES}


@pytest.mark.parametrize("parameters", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_gateway_of_the_tenant_is_shown_nothing_of_the_node(akeyless, evil, metadata, node, parameters):
    akeyless.add_item("/a", "v")
    honest = akeyless_class(akeyless.url, node.access_id, ("f", "/a"))
    assert node.driver.mount(honest, Pod("honest", "web-0", "uid-0")).files == {"f": b"v"}
    asked = len(metadata.seen)
    mark = akeyless.mark()
    trust = {"nodekeep/caBundle": evil.authority.pem}
    for i, (name, where, said) in enumerate((
            ("the attacker's gateway", {"akeylessGatewayURL": evil.url, **trust}, evil.url),
            ("the attacker's as fallback", {"akeylessGatewayURL": akeyless.url, "nodekeep/fallbackGateways": evil.url}, evil.url),
            ("the node's as fallback", {"akeylessGatewayURL": evil.url, "nodekeep/fallbackGateways": akeyless.url}, evil.url),
            ("a path traversal", {"akeylessGatewayURL": akeyless.url + "/../../evil"}, akeyless.url + "/../../evil"),
            ("the node's gateway with the attacker's trust", {"akeylessGatewayURL": akeyless.url, **trust}, akeyless.url))):
        spc = {"akeylessAccessID": node.access_id, "objects": akeyless_objects(("f", "/a")), **parameters, **where}
        refused = node.driver.failure(spc, Pod("evil", f"pod-{i}", f"uid-{i}"))
        reason = "changes how the gateway is trusted" if "trust" in name else "providers.akeyless.nodeIdentityGateways"
        assert f'withheld from "{said}":' in refused.message and reason in refused.message, (name, refused.message)
    # Nothing was sent, and no credential was fetched.
    assert evil.requests() == [] and akeyless.requests(mark) == [] and len(metadata.seen) == asked


def test_the_same_gateway_may_have_it_once_the_operator_lists_it(
        start_agent, akeyless, evil, metadata, tmp_path, cluster, namespace):
    node = Node(start_agent, akeyless, metadata, tmp_path, cluster, namespace, nodeIdentityGateways=evil.url,
                caFile=str(evil.authority.cert))
    access_id = evil.add_method("access_key", access_id=node.access_id, access_key=node.access_key)
    evil.add_item("/a", "of the listed gateway")
    spc = akeyless_class(evil.url, access_id, ("f", "/a"))
    assert node.driver.mount(spc, Pod("honest", "web-0", "uid-0")).files == {"f": b"of the listed gateway"}


def test_without_a_type_no_cloud_identity_is_looked_for(akeyless, metadata, start_akeyless_agent):
    """With the node's own gateway, which is allowed to receive them."""
    host = metadata.address
    driver = start_akeyless_agent(env={**NOTHING, **AWS, "GCE_METADATA_HOST": host,
                                       "AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{host}"}).driver("akeyless")
    for parameters in ({}, {"akeylessAccessType": "aws"}):
        refused = driver.failure(akeyless_class(akeyless.url, "p-123456789012", ("f", "/a"), **parameters), Pod("shop", "web", "uid"))
        assert "failed to detect access type" in refused.message
        assert "a cloud identity of the node is used only where" in refused.message
    assert metadata.seen == [] and akeyless.requests() == []


def test_the_agents_own_token_is_not_reviewed_by_a_gateway_of_the_tenant(akeyless, cluster, evil, node):
    access_id = kubernetes_method(akeyless, cluster, bound_sa_names=["nodekeep"])
    akeyless.add_item("/a", "v")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), **TYPES["k8s"])
    assert node.driver.mount(spc, Pod("honest", "web-0", "uid-0")).files == {"f": b"v"}
    mark = akeyless.mark()
    refused = node.driver.failure({**spc, "nodekeep/k8sGatewayURL": evil.base}, Pod("evil", "pod-0", "uid-1"))
    assert f'withheld from "{evil.base}"' in refused.message
    assert akeyless.requests(mark) == []


def test_the_token_of_the_agents_account_is_read_by_no_default(akeyless, cluster, start_akeyless_agent):
    access_id = kubernetes_method(akeyless, cluster)
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), **TYPES["k8s"])
    refused = start_akeyless_agent().driver("akeyless").failure(spc, Pod("shop", "web", "uid"))
    assert "set serviceAccountTokenFile of the agent, or akeylessAuthAs: pod" in refused.message
    assert akeyless.requests() == []


# -- Vault: the node's token, AppRole and certificate

class VaultNode:
    """An agent whose credential has all rights on the server, and one path that classes may read with it."""

    def __init__(self, method: str, start_agent, openbao, unique: str, tmp_path):
        openbao.put_secret(f"{unique}/shared", {"k": "shared"})
        openbao.put_secret(f"{unique}/other", {"k": "of another team"})
        openbao.write_policy(unique, 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }')
        self.parameters = {"nodekeep/auth": method}
        settings = {"address": openbao.url, "nodeCredentialPaths": f"secret/data/{unique}/shared"}
        if method == "token":
            (tmp_path / "token").write_text(openbao.create_token([unique])["client_token"])
            settings |= {"tokenFile": str(tmp_path / "token")}
        elif method == "approle":
            role_id, secret_id = openbao.approle(unique, policies=[unique])
            (tmp_path / "secret-id").write_text(secret_id)
            settings |= {"approleRoleId": role_id, "approleSecretIdFile": str(tmp_path / "secret-id")}
        else:
            openbao.cert_role(unique, common_names=[unique], policies=[unique])
            client = openbao.ca.issue(unique)
            settings |= {"address": openbao.tls_url, "caFile": str(openbao.ca.cert), "clientCertFile": str(client.cert),
                         "clientKeyFile": str(client.key)}
            self.parameters |= {"roleName": unique}
        self.settings = settings
        self.driver = start_agent(config={"providers": {"vault": settings}}).driver()
        self.honest = self.spc(("f", f"secret/data/{unique}/shared", "k"))

    def spc(self, *entries, **parameters) -> dict:
        return vault_class("", None, *entries, **self.parameters, **parameters)


@pytest.fixture(params=["token", "approle", "cert"])
def vault_node(request, start_agent, openbao, unique, tmp_path) -> VaultNode:
    return VaultNode(request.param, start_agent, openbao, unique, tmp_path)


def test_the_nodes_vault_credential_reads_what_is_listed_and_nothing_else(vault_node, openbao, tenant, unique):
    assert vault_node.driver.mount(vault_node.honest, tenant.pod()).text("f") == "shared"
    listed = {"objectName": "f", "secretPath": f"secret/data/{unique}/shared", "secretKey": "k"}
    for name, entry, said in (
            ("the credential itself", {"secretPath": "auth/token/lookup-self"}, "below auth, sys, identity or cubbyhole"),
            ("a child of it", {"secretPath": "auth/token/create", "method": "PUT"}, 'its method is "PUT"'),
            ("a child by POST", {"secretPath": "auth/token/create", "method": "POST"}, 'its method is "POST"'),
            ("the mounts", {"secretPath": "sys/mounts"}, "below auth, sys, identity or cubbyhole"),
            ("all policies", {"secretPath": "sys/policies/acl", "method": "LIST"}, 'its method is "LIST"'),
            ("another secret", {"secretPath": f"secret/data/{unique}/other", "secretKey": "k"}, "does not list"),
            ("a path with the same prefix", {"secretPath": f"secret/data/{unique}/shared-not"}, "does not list"),
            ("a path traversal", {"secretPath": f"secret/data/{unique}/shared/../other", "secretKey": "k"}, "does not list"),
            ("a path traversal to the credential", {"secretPath": f"secret/data/{unique}/shared/../../../../auth/token/lookup-self"},
             "below auth, sys, identity or cubbyhole"),
            ("a write to a listed path", {"secretPath": f"secret/data/{unique}/shared", "method": "PUT",
                                           "secretArgs": {"data": {"k": "overwritten"}}}, 'its method is "PUT"')):
        for optional in ({}, {"nodekeep/optional": "*"}):
            # Together with a readable object, and with the honest class's login cached in the agent.
            spc = vault_node.spc(listed, {"objectName": "x", **entry}, **optional)
            refused = vault_node.driver.failure(spc, tenant.pod())
            assert "withheld because of object \"x\"" in refused.message and said in refused.message, (name, refused.message)
    for namespace in ("team", "root/", "secret"):
        assert "withheld because" in vault_node.driver.failure({**vault_node.honest, "vaultNamespace": namespace}, tenant.pod()).message
    assert vault_node.driver.mount(vault_node.honest, tenant.pod()).text("f") == "shared"
    assert openbao.must("GET", f"secret/data/{unique}/shared")["data"]["data"] == {"k": "shared"}


def test_a_pods_own_credential_is_not_restricted(vault_node, openbao, tenant, unique):
    token = openbao.create_token(["read-secrets"])["client_token"]
    spc = vault_class(openbao.url, None, ("f", f"secret/data/{unique}/other", "k"), ("me", "auth/token/lookup-self", "policies"),
                      **{"nodekeep/auth": "token"})
    mounted = vault_node.driver.mount(spc, tenant.pod(), secrets={"token": token})
    assert mounted.text("f") == "of another team" and "read-secrets" in mounted.text("me")


@pytest.mark.parametrize("vault_node", ["cert"], indirect=True)
def test_a_pods_login_over_the_nodes_certificate_cannot_read_the_certificates_login(vault_node, openbao, tenant, unique):
    entry = {"objectName": "x", "secretPath": "auth/cert/login", "method": "PUT", "secretArgs": {"name": unique}}
    refused = vault_node.driver.failure(vault_class("", tenant.role, entry), tenant.pod())
    assert "is a login" in refused.message
    # The certificate's login declared as the pod's: the agent does not use the token that the server returns.
    for method, secrets in ({"roleName": unique}, None), ({"roleName": unique, "nodekeep/auth": "jwt"}, None), \
            ({"nodekeep/auth": "approle"}, {"role_id": "x"}):
        spc = vault_class("", None, ("me", "auth/token/lookup-self"), vaultAuthMountPath="cert", **method)
        refused = vault_node.driver.failure(spc, tenant.pod(), secrets=secrets)
        assert 'auth mount "cert" does not answer as method' in refused.message, refused.message
    for name in (f"127.0.0.1:{openbao.port}/v1/auth/cert/login?x=", "a/b"):
        spc = vault_class("", tenant.role, {"objectName": "x", "secretPath": "secret/y", "method": "PUT"}, vaultTLSServerName=name)
        assert "is not a host name" in vault_node.driver.failure(spc, tenant.pod()).message
    allowed = vault_class("", tenant.role, ("f", f"secret/data/{unique}/shared", "k"))
    assert vault_node.driver.mount(allowed, tenant.pod()).text("f") == "shared"


def test_by_default_no_class_reads_with_the_nodes_vault_credential(start_agent, openbao, tenant, unique, tmp_path):
    openbao.put_secret(unique, {"k": "v"})
    (tmp_path / "token").write_text(openbao.create_token(["read-secrets"])["client_token"])
    driver = start_agent(config={"providers": {"vault": {"address": openbao.url, "tokenFile": str(tmp_path / "token")}}}).driver()
    spc = vault_class("", None, ("f", f"secret/data/{unique}", "k"), **{"nodekeep/auth": "token"})
    refused = driver.failure(spc, tenant.pod())
    assert f'providers.vault.nodeCredentialPaths of the node\'s configuration does not list "secret/data/{unique}' in refused.message
