"""The vault provider with a real OpenBao whose kubernetes auth uses a real API server: files, logins, issued credentials."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

import grpc
import pytest

from bed.certificates import CertificateAuthority
from bed.process import BedError
from harness.driver import go_json
from harness.tenant import Tenant, vault_class

AT_ONCE = {"nodekeep/refreshAfter": "0s"}  # every mount reads from the backend


def put_text(openbao, path: str, text: str) -> None:
    """Writes JSON verbatim, because the tests depend on the notation of numbers."""
    connection = http.client.HTTPConnection("127.0.0.1", openbao.port, timeout=10)
    connection.request("POST", f"/v1/{path}", text, {"X-Vault-Token": openbao.root_token, "X-Vault-Request": "true"})
    assert connection.getresponse().status in (200, 204)
    connection.close()


# -- files


def test_one_mount_brings_every_file_with_mode_and_version_in_the_order_of_the_class(driver, tenant, openbao, unique):
    openbao.put_secret(f"{unique}/db", {"user": "alice", "password": "s3cret"})
    openbao.put_secret_v1(unique, {"api": "key-1"})
    mounted = driver.mount(tenant.spc(
        ("zeta", f"secret/data/{unique}/db", "password"), ("conf/user", f"secret/data/{unique}/db", "user"),
        ("alpha", f"kv1/{unique}", "api")), tenant.pod())
    assert list(mounted.files.items()) == [("zeta", b"s3cret"), ("conf/user", b"alice"), ("alpha", b"key-1")]
    assert list(mounted.versions) == ["zeta", "conf/user", "alpha"]
    assert set(mounted.modes.values()) == {0o644}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", version) for version in mounted.versions.values())


@pytest.mark.parametrize("path", ["secret/data/{}/x", "/secret/data/{}/x", "v1/secret/data/{}/x", "/v1/secret//data/./{}/x",
                                  "secret/data/{}/x?version=2"])
def test_a_path_may_be_spelt_as_upstream_takes_it(driver, tenant, openbao, unique, path):
    for value in ("one", "two"):
        openbao.put_secret(f"{unique}/x", {"k": value})
    assert driver.mount(tenant.spc(("f", path.format(unique), "k")), tenant.pod()).text("f") == "two"


def test_an_older_version_is_asked_for_by_its_query(driver, tenant, openbao, unique):
    for value in ("one", "two"):
        openbao.put_secret(f"{unique}/x", {"k": value})
    mounted = driver.mount(tenant.spc(("old", f"secret/data/{unique}/x?version=1", "k"), ("new", f"secret/data/{unique}/x", "k")),
                           tenant.pod())
    assert mounted.files == {"old": b"one", "new": b"two"}


VALUES = [
    # name, JSON as the user wrote it, bytes of the file with KV version 1, and with version 2, which parses numbers as float64
    ("text", '"plain"', b"plain", b"plain"),
    ("empty text", '""', b"", b""),
    ("text that needs escapes in JSON", '"a\\"b\\\\c\\n<&>\\u00e9"', 'a"b\\c\n<&>é'.encode(), 'a"b\\c\n<&>é'.encode()),
    ("number keeps its digits", "1.50", b"1.50", b"1.5"),
    ("whole number", "9007199254740992", b"9007199254740992", b"9007199254740992"),
    ("large whole number", "12345678901234567890123", b"12345678901234567890123", b"1.2345678901234568e+22"),
    ("exponent", "1e3", b"1e3", b"1000"),
    ("true", "true", b"true", b"true"),
    ("null", "null", b"null", b"null"),
    ("object, sorted and escaped", '{"b": "<x>", "a": [1, 2.0]}', b'{"a":[1,2.0],"b":"\\u003cx\\u003e"}',
     b'{"a":[1,2],"b":"\\u003cx\\u003e"}'),
    ("empty list", "[]", b"[]", b"[]"),
]
ENGINES = [("kv1/{}", "{}", 2), ("secret/data/{}", '{{"data":{}}}', 3)]


@pytest.mark.parametrize("path, body, column", ENGINES, ids=["version 1", "version 2"])
@pytest.mark.parametrize("row", VALUES, ids=[row[0] for row in VALUES])
def test_a_key_is_written_with_gos_bytes(shared_agent, shared_tenant, openbao, unique, path, body, column, row):
    put_text(openbao, path.format(unique), body.format('{"k":%s}' % row[1]))
    # The value null is upstream's text with this parameter only.
    spc = shared_tenant.spc(("f", path.format(unique), "k"), **{"nodekeep/nullValues": "text"})
    mounted = shared_agent.driver().mount(spc, shared_tenant.first_pod)
    assert mounted.files["f"] == row[column]


def test_null_is_refused_unless_the_node_says_otherwise(driver, start_agent, tenant, openbao, unique):
    put_text(openbao, f"secret/data/{unique}", '{"data":{"k":null,"other":"v"}}')
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), ("g", f"secret/data/{unique}", "other"))
    refused = driver.failure(spc, tenant.pod())
    assert refused.code == grpc.StatusCode.NOT_FOUND
    assert f'{{secret/data/{unique}}}: {{key "k" is null' in refused.message and "nodekeep/nullValues: text" in refused.message
    assert driver.mount({**spc, "nodekeep/optional": "f"}, tenant.pod()).files == {"g": b"v"}
    as_upstream = start_agent(config={"providers": {"vault": {"address": openbao.url, "nullValues": "text"}}}).driver()
    assert as_upstream.mount(spc, tenant.pod()).files == {"f": b"null", "g": b"v"}


def test_a_property_is_taken_from_json_text_and_from_objects(driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"config": '{"db": {"hosts": ["a", "b"]}}', "tree": {"port": 5432}})
    path, key = f"secret/data/{unique}", "nodekeep/property"
    spc = tenant.spc({"objectName": "host", "secretPath": path, "secretKey": "config", key: "db.hosts.1"},
                     {"objectName": "port", "secretPath": path, key: "tree.port"})
    assert driver.mount(spc, tenant.pod()).files == {"host": b"b", "port": b"5432"}


WHOLE = '{"z":"<&>\\u2028\\u00e9","a":1.50,"n":[9007199254740993,{"y":null,"x":true}]}'


def test_without_a_key_the_whole_response_of_version_1_is_written_as_gos_client_prints_it(driver, tenant, openbao, unique):
    put_text(openbao, f"kv1/{unique}", WHOLE)
    written = driver.mount(tenant.spc(("all", f"kv1/{unique}")), tenant.pod()).text("all")
    request_id = json.loads(written)["request_id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", request_id)
    seconds = openbao.must("GET", f"kv1/{unique}")["lease_duration"]
    assert written == (
        f'{{"request_id":"{request_id}","lease_id":"","lease_duration":{seconds},"renewable":false,'
        '"data":{"a":1.50,"n":[9007199254740993,{"x":true,"y":null}],"z":"\\u003c\\u0026\\u003e\\u2028é"},"warnings":null}')


def test_without_a_key_the_whole_response_of_version_2_is_written_as_gos_client_prints_it(driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"user": "a<b", "n": 1})
    written = driver.mount(tenant.spc(("all", f"secret/data/{unique}")), tenant.pod()).text("all")
    metadata = openbao.must("GET", f"secret/data/{unique}")["data"]["metadata"]
    assert written == (
        f'{{"request_id":"{json.loads(written)["request_id"]}","lease_id":"","lease_duration":0,"renewable":false,'
        f'"data":{{"data":{{"n":1,"user":"a\\u003cb"}},"metadata":{go_json(metadata)}}},"warnings":null}}')


ENCODINGS = [
    ("utf-8", "aGk=", b"aGk="),
    ("UTF-8", "aGk=", b"aGk="),
    ("base64", "AAH/gGhpCg==", b"\x00\x01\xff\x80hi\n"),
    ("Base64", "aGk\r\n=", b"hi"),
    ("hex", "00ff6869", b"\x00\xffhi"),
    ("HEX", "DEADbeef", b"\xde\xad\xbe\xef"),
]


@pytest.mark.parametrize("encoding, stored, wanted", ENCODINGS, ids=[row[0] for row in ENCODINGS])
def test_an_encoded_value_is_decoded(shared_agent, shared_tenant, openbao, unique, encoding, stored, wanted):
    openbao.put_secret(unique, {"k": stored})
    entry = {"objectName": "f", "secretPath": f"secret/data/{unique}", "secretKey": "k", "encoding": encoding}
    assert shared_agent.driver().mount(shared_tenant.spc(entry), shared_tenant.first_pod).files == {"f": wanted}


PERMISSIONS = [("0600", 0o600), ("0o640", 0o640), ("256", 0o400), ("0", 0o640), ("null", 0o640)]


@pytest.mark.parametrize("written, wanted", PERMISSIONS, ids=[row[0] for row in PERMISSIONS])
def test_file_permission_wins_over_that_of_the_request(shared_agent, shared_tenant, openbao, unique, written, wanted):
    openbao.put_secret(unique, {"k": "v"})
    spc = shared_tenant.spc()
    spc["objects"] = f"- {{objectName: f, secretPath: secret/data/{unique}, secretKey: k, filePermission: {written}}}"
    assert shared_agent.driver().mount(spc, shared_tenant.first_pod, permission="416").modes == {"f": wanted}


def test_an_optional_object_that_is_missing_is_left_out(driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    mounted = driver.mount(tenant.spc(
        ("f", f"secret/data/{unique}", "k"), ("gone", f"secret/data/{unique}/gone", "k"), ("nokey", f"secret/data/{unique}", "x"),
        **{"nodekeep/optional": "gone, nokey"}), tenant.pod())
    assert mounted.files == {"f": b"v"}
    assert list(mounted.versions) == ["f"]


def test_versions_move_only_with_the_content(start_agent, tenant, openbao, unique):
    openbao.put_secret(f"{unique}/a", {"k": "1"})
    openbao.put_secret(f"{unique}/b", {"k": "1"})
    pod = tenant.pod()
    spc = tenant.spc(("a", f"secret/data/{unique}/a", "k"), ("b", f"secret/data/{unique}/b", "k"), **AT_ONCE)
    agent = start_agent()
    first, again = (agent.driver().mount(spc, pod) for _ in range(2))
    assert again.versions == first.versions
    assert first.versions["a"] != first.versions["b"]
    openbao.put_secret(f"{unique}/b", {"k": "2"})
    rotated = agent.driver().mount(spc, pod)
    assert rotated.text("b") == "2"
    assert rotated.versions["a"] == first.versions["a"]
    assert rotated.versions["b"] != first.versions["b"]


def test_a_rotated_value_is_picked_up_after_refresh_after(agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "old"})
    pod = tenant.pod()
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **{"nodekeep/refreshAfter": "5s"})
    assert driver.mount(spc, pod).text("f") == "old"
    mark = openbao.audit.mark()
    openbao.put_secret(unique, {"k": "new"})
    assert driver.mount(spc, pod).text("f") == "old"
    assert openbao.audit.count(mark, f"secret/data/{unique}", "read") == 0
    agent.wait_for(lambda: driver.mount(spc, pod).text("f") == "new", "the new value", timeout=20)


def test_the_command_line_refreshes_at_once(agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "old"})
    pod = tenant.pod()
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"))
    assert driver.mount(spc, pod).text("f") == "old"
    openbao.put_secret(unique, {"k": "new"})
    report = agent.cli_json("refresh", "--pod", pod.text)
    assert (report["matched"], report["changed"]) == (1, 1)
    assert driver.mount(spc, pod).text("f") == "new"


# -- namespaces and logins


def test_a_namespace_has_its_own_logins_and_secrets(driver, cluster, openbao, namespace, unique):
    openbao.create_namespace(unique)
    openbao.enable_kubernetes_auth(cluster, namespace=unique)
    tenant = Tenant(cluster, openbao, namespace, "web", unique)
    openbao.kubernetes_role(unique, service_accounts=["web"], namespaces=[namespace], namespace=unique)
    openbao.put_secret("app", {"k": "of the namespace"}, namespace=unique)
    openbao.put_secret("app", {"k": "of the root"})
    pod = tenant.pod()
    entry = ("f", "secret/data/app", "k")
    assert driver.mount(tenant.spc(entry, vaultNamespace=unique), pod).text("f") == "of the namespace"
    assert driver.mount(tenant.spc(entry), pod).text("f") == "of the root"


def test_a_login_in_a_parent_namespace_reads_in_a_child(driver, cluster, openbao, namespace, unique):
    openbao.create_namespace(unique)
    openbao.put_secret("app", {"k": "child's"}, namespace=unique)
    openbao.write_policy(unique, f'path "{unique}/secret/data/*" {{ capabilities = ["read"] }}')
    tenant = Tenant(cluster, openbao, namespace, "web", unique, policies=(unique,))
    mounted = driver.mount(tenant.spc(("f", "secret/data/app", "k"), vaultNamespace=unique, **{"nodekeep/authNamespace": ""}),
                           tenant.pod())
    assert mounted.text("f") == "child's"


@pytest.mark.parametrize("key", ["vaultAuthMountPath", "vaultKubernetesMountPath"])
def test_the_auth_mount_may_be_elsewhere(driver, cluster, openbao, namespace, unique, key):
    openbao.enable_kubernetes_auth(cluster, mount=f"clusters/{unique}")
    tenant = Tenant(cluster, openbao, namespace, "web", unique, mount=f"clusters/{unique}")
    openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **{key: f"clusters/{unique}"})
    assert driver.mount(spc, tenant.pod()).text("f") == "v"


def test_the_audience_of_the_class_picks_the_token(driver, cluster, openbao, namespace, unique):
    tenant = Tenant(cluster, openbao, namespace, "web", unique, audience="elsewhere")
    openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), audience="elsewhere")
    pod = tenant.pod(audience="elsewhere")
    other = cluster.mint_token(namespace, "web", "vault")
    assert driver.mount(spc, pod, tokens={"vault": other, **pod.tokens}).text("f") == "v"


def login_by(method, openbao, unique, tenant):
    """Returns parameters, secrets of nodePublishSecretRef, address."""
    openbao.put_secret(unique, {"k": method})
    if method == "jwt":
        openbao.jwt_role(unique, bound_subject=f"system:serviceaccount:{tenant.namespace}:web")
        return {"roleName": unique, "nodekeep/auth": "jwt"}, None, openbao.url
    if method == "jwt at a mount of unknown kind":
        openbao.jwt_role(unique)
        return {"roleName": unique, "vaultAuthMountPath": "jwt"}, None, openbao.url
    if method == "approle":
        role_id, secret_id = openbao.approle(unique)
        return {"nodekeep/auth": "approle"}, {"role_id": role_id, "secret_id": secret_id + "\n"}, openbao.url
    assert method == "token"
    token = openbao.create_token(["read-secrets"])["client_token"]
    return {"nodekeep/auth": "token"}, {"token": token}, openbao.url


@pytest.mark.parametrize("method", ["jwt", "jwt at a mount of unknown kind", "approle", "token"])
def test_login_by(driver, tenant, openbao, unique, method):
    parameters, secrets, address = login_by(method, openbao, unique, tenant)
    spc = vault_class(address, None, ("f", f"secret/data/{unique}", "k"), **parameters)
    assert driver.mount(spc, tenant.pod(), secrets=secrets).text("f") == method


@pytest.mark.parametrize("named_by", ["node", "class"])
def test_login_by_certificate(start_agent, tenant, openbao, unique, named_by):
    openbao.put_secret(unique, {"k": "v"})
    openbao.cert_role(unique, common_names=[unique])
    client = openbao.ca.issue(unique)
    settings = {"address": openbao.tls_url, "caFile": str(openbao.ca.cert), "nodeCredentialPaths": f"secret/data/{unique}"}
    parameters = {"vaultTLSClientCertPath": str(client.cert), "vaultTLSClientKeyPath": str(client.key)}
    if named_by == "node":
        settings |= {"clientCertFile": str(client.cert), "clientKeyFile": str(client.key)}
        parameters = {}
    driver = start_agent(config={"providers": {"vault": settings}}).driver()
    spc = vault_class("", unique, ("f", f"secret/data/{unique}", "k"), **{"nodekeep/auth": "cert"}, **parameters)
    assert driver.mount(spc, tenant.pod()).text("f") == "v"


def test_credentials_of_the_node_come_from_the_configuration(start_agent, tenant, openbao, unique, tmp_path):
    openbao.put_secret(unique, {"k": "v"})
    role_id, secret_id = openbao.approle(unique)
    (tmp_path / "secret-id").write_text(secret_id)
    agent = start_agent(config={"providers": {"vault": {
        "address": openbao.url, "approleRoleId": role_id, "approleSecretIdFile": str(tmp_path / "secret-id"),
        "nodeCredentialPaths": f"secret/data/{unique}"}}})
    spc = vault_class("", None, ("f", f"secret/data/{unique}", "k"), **{"nodekeep/auth": "approle"})
    assert agent.driver().mount(spc, tenant.pod()).text("f") == "v"
    # A class must not be able to send the node's credential to a server of its own choice.
    elsewhere = dict(spc, vaultAddress=openbao.url.replace("127.0.0.1", "localhost"))
    refused = agent.driver().failure(elsewhere, tenant.pod())
    assert "withheld because the class sets another vaultAddress" in refused.message


def test_the_unix_socket_of_the_server_is_an_address_where_the_operator_lists_it(start_agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), address=f"unix://{openbao.socket}")
    agent = start_agent(env={"NODEKEEP_VAULT_UNIX_SOCKETS": f"unix://{openbao.socket}"})
    assert agent.driver().mount(spc, tenant.pod()).text("f") == "v"
    assert "providers.vault.unixSockets" in driver.failure(spc, tenant.pod()).message


def test_the_address_may_come_from_the_environment(start_agent, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    agent = start_agent(env={"VAULT_ADDR": openbao.url})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"))
    del spc["vaultAddress"]
    assert agent.driver().mount(spc, tenant.pod()).text("f") == "v"


def test_without_a_token_from_the_driver_the_agent_asks_the_api_server(start_agent, tenant, openbao, unique, cluster):
    openbao.put_secret(unique, {"k": "v"})
    agent = start_agent(kubeconfig=cluster.kubeconfig)
    pod = tenant.pod(audience=None)
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), audience="vault")
    assert agent.driver().mount(spc, pod).text("f") == "v"
    # The API server binds the token to the pod, and therefore refuses a token for a missing pod.
    gone = agent.driver().failure(spc, pod.with_(name="gone", uid="00000000-0000-0000-0000-000000000000"))
    assert "failed to create a service account token for requesting pod" in gone.message


# -- TLS


@pytest.fixture
def other_authority(tmp_path):
    return CertificateAuthority(tmp_path / "other-ca", "another CA")


def ca_directory(authority, path: pathlib.Path) -> str:
    path.mkdir()
    (path / "ca.pem").write_text(authority.pem)
    return str(path)


TLS_THAT_WORKS = {
    "CA file": lambda bao, tmp: {"vaultCACertPath": str(bao.ca.cert)},
    "CA directory": lambda bao, tmp: {"vaultCADirectory": ca_directory(bao.ca, tmp / "cas")},
    "no verification": lambda bao, tmp: {"vaultSkipTLSVerify": "true"},
    "server name": lambda bao, tmp: {"vaultCACertPath": str(bao.ca.cert), "vaultTLSServerName": "localhost"},
}


@pytest.mark.parametrize("options", TLS_THAT_WORKS.values(), ids=TLS_THAT_WORKS.keys())
def test_tls_with(driver, tenant, openbao, unique, tmp_path, options):
    openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), address=openbao.tls_url, **options(openbao, tmp_path))
    assert driver.mount(spc, tenant.pod()).text("f") == "v"


TLS_THAT_FAILS = {
    "the system's authorities only": (lambda bao, other: {}, r"certificate"),
    "another CA": (lambda bao, other: {"vaultCACertPath": str(other.cert)}, r"certificate"),
    "another server name": (lambda bao, other: {"vaultCACertPath": str(bao.ca.cert), "vaultTLSServerName": "vault.example"},
                            r"vault\.example|certificate subject|host ?name"),
    "a missing CA file": (lambda bao, other: {"vaultCACertPath": "/nowhere/ca.pem"}, r"/nowhere/ca\.pem"),
    "a key without its certificate": (lambda bao, other: {"vaultTLSClientKeyPath": str(other.key)},
                                      "both client cert and client key must be provided"),
}


@pytest.mark.parametrize("options, said", TLS_THAT_FAILS.values(), ids=TLS_THAT_FAILS.keys())
def test_tls_is_refused_with(driver, tenant, openbao, other_authority, options, said):
    spc = tenant.spc(("f", "secret/data/any", "k"), address=openbao.tls_url, **options(openbao, other_authority))
    failed = driver.failure(spc, tenant.pod())
    assert re.search(said, failed.message, re.I), failed.message
    assert failed.code in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)


# -- credentials issued for the pod


def certificate_key_matches(certificate: str, key: str) -> bool:
    def public(command, text):
        return subprocess.run(["openssl", *command], input=text, capture_output=True, text=True, check=True).stdout
    return public(["x509", "-noout", "-pubkey"], certificate) == public(["pkey", "-pubout"], key)


def test_a_certificate_is_issued_once_and_kept(agent, driver, cluster, pki, namespace, unique):
    pki.write_policy(unique, 'path "pki/issue/web" { capabilities = ["update"] }')
    tenant = Tenant(cluster, pki, namespace, "web", unique, policies=(unique,))
    issue = {"secretPath": "pki/issue/web", "method": "POST"}
    spc = tenant.spc(
        {"objectName": "tls.crt", **issue, "secretKey": "certificate", "secretArgs": {"common_name": "a.bed.test", "ttl": "24h"}},
        {"objectName": "tls.key", **issue, "secretKey": "private_key", "secretArgs": {"ttl": "24h", "common_name": "a.bed.test"}},
        {"objectName": "other.crt", **issue, "secretKey": "certificate", "secretArgs": {"common_name": "b.bed.test"}}, **AT_ONCE)
    pod = tenant.pod()
    mark = pki.audit.mark()
    first, second = (driver.mount(spc, pod) for _ in range(2))
    assert second.files == first.files and second.versions == first.versions
    assert pki.audit.count(mark, "pki/issue/web") == 2  # one for each set of arguments
    assert certificate_key_matches(first.text("tls.crt"), first.text("tls.key"))
    assert first.files["other.crt"] != first.files["tls.crt"]
    agent.cli("refresh", "--all")
    assert driver.mount(spc, pod).files == first.files
    assert pki.audit.count(mark, "pki/issue/web") == 2


# Seconds. The agent checks its leases every five seconds and renews at two thirds: after 21 seconds at the latest.
LEASE = 24


@pytest.fixture
def short_database(database, unique):
    """A role database/creds/<unique> whose leases expire after LEASE unless renewed, and a policy that allows its use."""
    database.must("POST", f"database/roles/{unique}", {
        "db_name": "postgres", "default_ttl": f"{LEASE}s", "max_ttl": "1h",
        "creation_statements": ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"]})
    allowed = database.must("GET", "database/config/postgres")["data"]["allowed_roles"]
    database.must("POST", "database/config/postgres", {
        "plugin_name": "postgresql-database-plugin", "allowed_roles": sorted({*allowed, unique})})
    database.write_policy(unique, f'path "database/creds/{unique}" {{ capabilities = ["read"] }}\n'
                                  'path "sys/leases/renew" { capabilities = ["update"] }\n'
                                  'path "sys/leases/revoke" { capabilities = ["update"] }')
    return database


def logs_in(postgres, mounted) -> bool:
    try:
        return postgres.query("select current_user", mounted.text("user"), mounted.text("password")) == mounted.text("user")
    except BedError:
        return False


def test_database_credentials_are_one_lease_renewed_while_a_pod_is_there_and_then_revoked(
        agent, driver, cluster, short_database, postgres, namespace, unique, tmp_path):
    openbao = short_database
    tenant = Tenant(cluster, openbao, namespace, "web", unique, policies=(unique,))
    pods = [tenant.pod(kubelet_root=str(tmp_path / "kubelet")) for _ in range(2)]
    for pod in pods:
        os.makedirs(pod.target_path)
    path = f"database/creds/{unique}"
    spc = tenant.spc(("user", path, "username"), ("password", path, "password"), **AT_ONCE)
    mark, began = openbao.audit.mark(), time.monotonic()
    first = driver.mount(spc, pods[0])
    assert logs_in(postgres, first)  # user and password belong together
    for pod in (*pods, pods[0]):
        again = driver.mount(spc, pod)
        assert again.files == first.files and again.versions == first.versions
    agent.cli("refresh", "--all")
    assert driver.mount(spc, pods[0]).files == first.files
    lease = agent.status()["leases"][0]
    assert path in lease["ref"] and lease["holders"] == 2 and 0 < lease["leftSeconds"] <= LEASE

    shutil.rmtree(pods[0].directory)  # the other pod still needs it
    agent.wait_for(lambda: openbao.audit.count(mark, "sys/leases/renew") >= 1, "a renewal", timeout=LEASE + 5, every=0.25)
    agent.wait_for(lambda: time.monotonic() > began + LEASE + 1, "the original expiry of the lease", timeout=LEASE)
    assert logs_in(postgres, first)
    assert driver.mount(spc, pods[1]).files == first.files
    assert openbao.audit.count(mark, path, "read") == 1

    shutil.rmtree(pods[1].directory)
    agent.wait_for(lambda: not logs_in(postgres, first), "the revocation", timeout=12, every=0.25)
    assert openbao.audit.count(mark, "sys/leases/revoke") == 1
    agent.wait_for(lambda: agent.status()["leases"] == [], "the lease is forgotten")


# -- errors for users


def missing_data(tenant, unique):
    return tenant.spc(("f", f"secret/{unique}/db", "k"))


ERRORS = {
    # name: (class, [texts in the message], code)
    "a missing key": (
        lambda t, u: t.spc(("f", f"secret/data/{u}/db", "nokey")),
        ["error making mount request", 'key "nokey" does not exist at the secret path'], grpc.StatusCode.NOT_FOUND),
    "a missing secret": (
        lambda t, u: t.spc(("f", f"secret/data/{u}/gone", "k")),
        ["error making mount request: couldn't read secret \"f\": error requesting secret: secret \"secret/data/",
         '/gone" does not exist: Error making API request', "Code: 404"], grpc.StatusCode.NOT_FOUND),
    "a missing version": (
        lambda t, u: t.spc(("f", f"secret/data/{u}/db?version=7", "k")),
        ["error requesting secret: version 7 of secret", '/db" does not exist: '], grpc.StatusCode.NOT_FOUND),
    "a mount with auth/": (
        lambda t, u: t.spc(("f", f"secret/data/{u}/db", "k"), vaultAuthMountPath="auth/kubernetes"),
        ["failed to login", 'vaultAuthMountPath "auth/kubernetes" begins with "auth/"', 'write "kubernetes"'],
        (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)),
    "an address with /v1": (
        lambda t, u: (lambda spc: {**spc, "vaultAddress": spc["vaultAddress"] + "/v1"})(t.spc(("f", f"secret/data/{u}/db", "k"))),
        ["failed to login", "vaultAddress", '/v1" ends with "/v1", which is added to it: leave it out'],
        (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)),
    "kv version 2 without data/": (
        missing_data, ['couldn\'t read secret "f"', "on a KV v2 engine the secretPath is", "/data/"],
        (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)),
    "a path that the policy does not allow": (
        lambda t, u: t.spc(("f", "sys/mounts", "k")),
        ['couldn\'t read secret "f"', "Code: 403", "permission denied", "its policies must allow this path"],
        grpc.StatusCode.PERMISSION_DENIED),
    "a missing role": (
        lambda t, u: {**t.spc(("f", f"secret/data/{u}/db", "k")), "roleName": "no-such-role"},
        ['couldn\'t read secret "f"', "failed to login", "no-such-role"],
        (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)),
    "a missing auth mount": (
        lambda t, u: t.spc(("f", f"secret/data/{u}/db", "k"), vaultAuthMountPath="nowhere"),
        ['couldn\'t read secret "f"', "failed to login", "nowhere"],
        (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT)),
    "a value that does not decode": (
        lambda t, u: t.spc({"objectName": "f", "secretPath": f"secret/data/{u}/db", "secretKey": "k", "encoding": "base64"}),
        ["error making mount request", "/db}: {"], grpc.StatusCode.INVALID_ARGUMENT),
    "an unknown encoding": (
        lambda t, u: t.spc({"objectName": "f", "secretPath": f"secret/data/{u}/db", "secretKey": "k", "encoding": "rot13"}),
        ["invalid encoding type"], grpc.StatusCode.INVALID_ARGUMENT),
    "both keys of the auth mount": (
        lambda t, u: t.spc(("f", "secret/data/x", "k"), vaultAuthMountPath="", vaultKubernetesMountPath="kubernetes"),
        ["cannot set both vaultKubernetesMountPath and vaultAuthMountPath"], grpc.StatusCode.INVALID_ARGUMENT),
    "no role": (
        lambda t, u: {**t.spc(("f", "secret/data/x", "k")), "roleName": ""}, ["missing 'roleName'"],
        grpc.StatusCode.INVALID_ARGUMENT),
    "no objects": (
        lambda t, u: t.spc(), ["no secrets configured"], grpc.StatusCode.INVALID_ARGUMENT),
    "one name twice": (
        lambda t, u: t.spc(("same", "secret/data/x", "k"), ("same", "secret/data/y", "k")),
        ["each `objectName` within a SecretProviderClass must be unique", "same"], grpc.StatusCode.INVALID_ARGUMENT),
    "a file outside the volume": (
        lambda t, u: t.spc(("../f", "secret/data/x", "k")), ["invalid", "../f"], grpc.StatusCode.INVALID_ARGUMENT),
    "a misspelt reserved parameter": (
        lambda t, u: t.spc(("f", "secret/data/x", "k"), **{"nodekeep/refreshafter": "1s"}),
        ["nodekeep/refreshafter", "nodekeep/refreshAfter"], grpc.StatusCode.INVALID_ARGUMENT),
}


@pytest.mark.parametrize("make, said, code", ERRORS.values(), ids=ERRORS.keys())
def test_the_error_of(driver, tenant, openbao, unique, make, said, code):
    openbao.put_secret(f"{unique}/db", {"k": "not base64!"})
    failed = driver.failure(make(tenant, unique), tenant.pod())
    for fragment in said:
        assert fragment in failed.message
    assert failed.code in (code if isinstance(code, tuple) else (code,)), failed
    assert "not base64!" not in failed.message


def test_an_account_that_the_role_does_not_name_is_told_so(agent, driver, cluster, openbao, namespace, unique):
    tenant = Tenant(cluster, openbao, namespace, "web", unique)
    openbao.kubernetes_role(unique, service_accounts=["somebody-else"], namespaces=[namespace])
    pod = tenant.pod()
    failed = driver.failure(tenant.spc(("f", "secret/data/x", "k")), pod)
    assert failed.code == grpc.StatusCode.PERMISSION_DENIED
    for fragment in ("error making mount request", "couldn't read secret", "service account name not authorized",
                     f'auth mount "kubernetes", role "{unique}"', "bound service accounts"):
        assert fragment in failed.message
    assert pod.tokens["vault"] not in failed.message
    assert pod.tokens["vault"] not in agent.log_path.read_text()


def test_a_pod_without_a_token_is_told_what_to_set(driver, tenant):
    failed = driver.failure(tenant.spc(("f", "secret/data/x", "k")), tenant.pod(audience=None))
    assert failed.message.startswith("error making mount request")
    for fragment in ("failed to create a service account token for requesting pod", "tokenRequests", '"vault"'):
        assert fragment in failed.message


MALFORMED = {
    # name: (options of the mount, [texts in the message])
    "no attributes": ({"attribute_text": ""}, ["unexpected end of JSON input"]),
    "attributes that are not an object": ({"attribute_text": "[1]"}, ["attributes"]),
    "an attribute that is not a string": ({"attribute_text": '{"a":1}'}, ["attributes"]),
    "secrets that are not an object": ({"secrets": "[]"}, ["secrets"]),
    "permission in octal": ({"permission": "0644"}, ["permission"]),
    "permission that is not a number": ({"permission": "rw-"}, ["permission"]),
    "no permission": ({"permission": ""}, ["permission"]),
    "no target path": ({"target": ""}, ["missing target path field"]),
}


@pytest.mark.parametrize("options, said", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_answered(driver, tenant, options, said):
    failed = driver.failure(tenant.spc(("f", "secret/data/x", "k")), tenant.pod(), **options)
    assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
    for fragment in said:
        assert fragment in failed.message


@pytest.mark.parametrize("secrets", ["", "null", "{}"])
@pytest.mark.parametrize("authority", ["localhost", "/var/run/secrets-store-csi-providers/vault.sock", "%2Fvar%2Frun%2Fvault.sock"])
def test_any_released_driver_is_served(driver, tenant, openbao, unique, secrets, authority):
    openbao.put_secret(unique, {"k": "v"})
    mounted = driver.mount(tenant.spc(("f", f"secret/data/{unique}", "k")), tenant.pod(), secrets=secrets, authority=authority)
    assert mounted.files == {"f": b"v"}


def test_a_volume_larger_than_the_driver_accepts_is_refused_with_names(driver, tenant, openbao, unique):
    for name, size in (("small", 10), ("large", 900_000)):
        openbao.put_secret(f"{unique}/{name}", {"k": name[0] * size})
    entries = [("small", f"secret/data/{unique}/small", "k")]
    entries += [(f"large-{i}", f"secret/data/{unique}/large", "k") for i in range(5)]
    pod = tenant.pod()
    failed = driver.failure(tenant.spc(*entries), pod)
    assert failed.code == grpc.StatusCode.INVALID_ARGUMENT
    assert '"large-0" (900000 bytes)' in failed.message and '"small"' not in failed.message
    assert len(driver.mount(tenant.spc(*entries[:5]), pod).files) == 5


def test_the_log_has_one_line_per_mount_and_no_value_in_it(agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "value-that-must-not-be-logged"})
    pod = tenant.pod()
    for _ in range(2):
        driver.mount(tenant.spc(("f", f"secret/data/{unique}", "k")), pod)
    first, second = agent.mount_lines(pod)
    assert (first["provider"], first["outcome"], first["files"]) == ("vault", "ok", 1)
    assert f"secret/data/{unique}" in first["refs"]
    assert (first["hits"], first["backend_reads"], first["logins"]) == (0, 1, 1)
    assert (second["hits"], second["backend_reads"], second["logins"]) == (1, 0, 0)
    assert agent.metric("nodekeep_mounts_total", provider="vault", outcome="ok") == 2
    assert agent.metric("nodekeep_logins_total", outcome="ok") == 1
    shown = agent.status()["mounts"][0]
    assert (shown["namespace"], shown["pod"], shown["outcome"], shown["mounts"]) == (pod.namespace, pod.name, "ok", 2)
    everything = agent.log_path.read_text() + agent.http("/metrics")[1] + agent.cli("status", "-o", "json").stdout
    everything += agent.cli("cache", "list", "-o", "json").stdout
    for secret in ("value-that-must-not-be-logged", pod.tokens["vault"]):
        assert secret not in everything
        assert base64.b64encode(secret.encode()).decode() not in everything
        assert hashlib.sha256(secret.encode()).hexdigest() not in everything
