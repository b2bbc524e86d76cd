"""Each part of the test bed works as the tests require. If one of these fails, fix the test bed before looking at nodekeep."""

import os
import signal
import ssl
import subprocess
import sys
import time

import pytest

from bed.certificates import CertificateAuthority
from bed.cluster import claims
from bed.json_client import JsonClient
from bed.process import REPOSITORY, BedError, tool, wait_for


def proxied(proxy, timeout=2.0):
    return JsonClient(f"http://{proxy.address}", timeout=timeout)


def test_a_pod_bound_token_names_pod_and_service_account(cluster, namespace):
    account = cluster.create_service_account(namespace, "web")
    pod = cluster.create_pod(namespace, "web-0", "web")
    told = claims(cluster.mint_token(namespace, "web", "vault", pod=pod))
    assert told["aud"] == ["vault"]
    assert told["sub"] == f"system:serviceaccount:{namespace}:web"
    assert told["kubernetes.io"]["pod"] == {"name": "web-0", "uid": pod["metadata"]["uid"]}
    assert told["kubernetes.io"]["serviceaccount"]["uid"] == account["metadata"]["uid"]


def test_a_pod_is_deleted_at_once_and_its_token_with_it(cluster, openbao, namespace, unique):
    cluster.create_service_account(namespace, "web")
    openbao.kubernetes_role(unique, service_accounts=["web"], namespaces=[namespace])
    pod = cluster.create_pod(namespace, "web-0", "web")
    token = cluster.mint_token(namespace, "web", "vault", pod=pod)
    cluster.delete(namespace, "pods", "web-0")
    assert cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/web-0").status == 404

    def refused() -> bool:
        return openbao.request("POST", "auth/kubernetes/login", {"role": unique, "jwt": token}, token=None).status == 403

    # The API server observes the deletion with a delay, and caches an accepted token for ten seconds.
    wait_for(refused, "the token of the deleted pod is refused", 30, every=1)


def test_kubernetes_auth_names_the_service_account_it_let_in(cluster, openbao, namespace, unique):
    account = cluster.create_service_account(namespace, "web")
    openbao.kubernetes_role(unique, service_accounts=["web"], namespaces=[namespace])
    openbao.put_secret(f"{unique}/db", {"password": "s3cret"})
    auth = openbao.login("kubernetes", {"role": unique, "jwt": cluster.mint_token(namespace, "web")})
    assert auth["metadata"]["service_account_uid"] == account["metadata"]["uid"]
    read = openbao.must("GET", f"secret/data/{unique}/db", token=auth["client_token"])
    assert read["data"]["data"] == {"password": "s3cret"}


@pytest.mark.parametrize("audience, account", [("other", "web"), ("vault", "default")])
def test_kubernetes_auth_refuses_other_audiences_and_accounts(cluster, openbao, namespace, unique, audience, account):
    cluster.create_service_account(namespace, "web")
    openbao.kubernetes_role(unique, service_accounts=["web"], namespaces=[namespace])
    token = cluster.mint_token(namespace, account, audience)
    assert openbao.request("POST", "auth/kubernetes/login", {"role": unique, "jwt": token}, token=None).status == 403


def test_jwt_auth_sees_claims_of_the_token(cluster, openbao, namespace, unique):
    cluster.create_service_account(namespace, "web")
    openbao.jwt_role(unique, bound_claims={"/kubernetes.io/pod/name": "web-0"})
    let_in = cluster.mint_token(namespace, "web", pod=cluster.create_pod(namespace, "web-0", "web"))
    kept_out = cluster.mint_token(namespace, "web", pod=cluster.create_pod(namespace, "web-1", "web"))
    assert openbao.login("jwt", {"role": unique, "jwt": let_in})["client_token"]
    assert openbao.request("POST", "auth/jwt/login", {"role": unique, "jwt": kept_out}, token=None).status == 400


def test_approle_login(openbao, unique):
    role_id, secret_id = openbao.approle(unique)
    assert openbao.login("approle", {"role_id": role_id, "secret_id": secret_id})["policies"] == ["default", "read-secrets"]
    wrong = openbao.request("POST", "auth/approle/login", {"role_id": role_id, "secret_id": "wrong"}, token=None)
    assert wrong.status == 400


def test_cert_login_over_tls(openbao, tmp_path, unique):
    openbao.cert_role(unique, common_names=[unique])
    reply = openbao.login_with_certificate(openbao.ca.issue(unique), unique)
    assert reply.json["auth"]["metadata"]["common_name"] == unique
    foreign = CertificateAuthority(tmp_path / "other").issue(unique)
    # A TLS 1.3 server rejects it either in the handshake or with the first reply.
    try:
        assert openbao.login_with_certificate(foreign, unique).status == 400
    except (ssl.SSLError, ConnectionError):
        pass


def test_kv_version_1_and_the_unix_socket(openbao, unique):
    openbao.put_secret_v1(unique, {"user": "alice"})
    assert openbao.must("GET", f"kv1/{unique}")["data"] == {"user": "alice"}
    shown = subprocess.run([
        "curl", "--silent", "--show-error", "--unix-socket", openbao.socket, "-H", f"X-Vault-Token: {openbao.root_token}",
        f"http://localhost/v1/kv1/{unique}"], check=True, capture_output=True, text=True).stdout
    assert '"user":"alice"' in shown


def test_namespaces_are_apart(openbao, unique):
    openbao.create_namespace(unique)
    openbao.put_secret("shared", {"from": "namespace"}, namespace=unique)
    assert openbao.must("GET", "secret/data/shared", namespace=unique)["data"]["data"] == {"from": "namespace"}
    assert openbao.request("GET", "secret/data/shared").status == 404


def test_kubernetes_auth_inside_a_namespace(cluster, openbao, namespace, unique):
    openbao.create_namespace(unique)
    openbao.enable_kubernetes_auth(cluster, namespace=unique)
    openbao.kubernetes_role("app", service_accounts=["default"], namespaces=[namespace], namespace=unique)
    body = {"role": "app", "jwt": cluster.mint_token(namespace, "default")}
    assert openbao.login("kubernetes", body, namespace=unique)["policies"] == ["default", "read-secrets"]


def test_pki_issues_a_new_certificate_each_time(pki):
    first, second = (pki.must("POST", "pki/issue/web", {"common_name": "a.bed.test"})["data"] for _ in range(2))
    assert first["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert first["private_key"] != second["private_key"]
    assert pki.request("POST", "pki/issue/web", {"common_name": "elsewhere.test"}).status == 400


def test_database_credentials_log_in_until_they_are_revoked(database, postgres):
    issued = database.must("GET", "database/creds/app")
    user, password = issued["data"]["username"], issued["data"]["password"]
    assert postgres.query("select current_user", user, password) == user
    assert issued["renewable"] and issued["lease_duration"] == 3600
    renewed = database.must("PUT", "sys/leases/renew", {"lease_id": issued["lease_id"]})
    assert renewed["lease_id"] == issued["lease_id"]
    database.must("PUT", "sys/leases/revoke", {"lease_id": issued["lease_id"], "sync": True})
    with pytest.raises(BedError, match="authentication failed"):
        postgres.query("select 1", user, password)


def test_audit_counts_reads_and_logins(cluster, openbao, namespace, unique):
    openbao.put_secret(f"{unique}/a", {"k": "v"})
    openbao.kubernetes_role(unique, service_accounts=["default"], namespaces=[namespace])
    mark = openbao.audit.mark()
    token = openbao.login("kubernetes", {"role": unique, "jwt": cluster.mint_token(namespace, "default")})["client_token"]
    for _ in range(3):
        openbao.must("GET", f"secret/data/{unique}/a", token=token)
    assert openbao.audit.logins(mark) == 1
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 3
    assert openbao.audit.count(mark) == 4


@pytest.mark.parametrize("retry_after", [True, False])
def test_a_quota_answers_429(own_openbao, retry_after):
    own_openbao.limit_rate("tight", "secret/", rate=1, interval="5s", retry_after=retry_after)
    replies = [own_openbao.request("GET", "secret/data/ready") for _ in range(5)]
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) >= 3
    assert ("retry-after" in refused[0].headers) == retry_after
    own_openbao.unlimit_rate("tight")
    assert own_openbao.request("GET", "secret/data/ready").ok


def test_a_sealed_server_answers_503_and_comes_back(own_openbao):
    own_openbao.seal()
    assert own_openbao.request("GET", "secret/data/ready").status == 503
    own_openbao.unseal()
    assert own_openbao.request("GET", "secret/data/ready").ok


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_file_storage_outlives_the_server(own_openbao, end):
    own_openbao.put_secret("kept", {"k": "v"})
    getattr(own_openbao, end)()
    with pytest.raises(OSError):
        own_openbao.request("GET", "secret/data/kept")
    own_openbao.start()
    assert own_openbao.must("GET", "secret/data/kept")["data"]["data"] == {"k": "v"}


def test_a_paused_server_hangs(own_openbao):
    own_openbao.pause()
    with pytest.raises(TimeoutError):
        JsonClient(own_openbao.url, timeout=0.5).request("GET", "/v1/sys/health")
    own_openbao.resume()
    assert own_openbao.request("GET", "sys/health").ok


def test_the_proxy_passes_cuts_delays_hangs_and_refuses(openbao_proxy, openbao, unique):
    assert proxied(openbao_proxy).request("GET", "/v1/sys/health").ok

    openbao.put_secret(unique, {"long": "x" * 10_000})
    openbao_proxy.cut_after(5_000)
    with pytest.raises(OSError, match="IncompleteRead"):
        proxied(openbao_proxy).request("GET", f"/v1/secret/data/{unique}", headers={"X-Vault-Token": openbao.root_token})
    openbao_proxy.heal()

    openbao_proxy.reset()
    with pytest.raises(OSError):
        proxied(openbao_proxy).request("GET", "/v1/sys/health")
    openbao_proxy.heal()

    openbao_proxy.delay(300)
    began = time.monotonic()
    assert proxied(openbao_proxy).request("GET", "/v1/sys/health").ok
    assert time.monotonic() - began >= 0.3
    openbao_proxy.heal()

    openbao_proxy.hang()
    with pytest.raises(TimeoutError):
        proxied(openbao_proxy, timeout=0.5).request("GET", "/v1/sys/health")
    openbao_proxy.heal()

    openbao_proxy.down()
    with pytest.raises(ConnectionRefusedError):
        proxied(openbao_proxy).request("GET", "/v1/sys/health")
    openbao_proxy.up()
    assert proxied(openbao_proxy).request("GET", "/v1/sys/health").ok


def test_a_server_dies_with_the_process_that_started_it(tmp_path):
    script = """
import os, pathlib, signal, sys
from bed.toxiproxy import Toxiproxy
proxy = Toxiproxy(pathlib.Path(sys.argv[1]))
proxy.start()
print(proxy._process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True,
                          cwd=REPOSITORY / "tests" / "integration")
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and " Z " not in open(f"/proc/{pid}/stat").read():
        assert time.monotonic() < deadline, f"process {pid} still exists"
        time.sleep(0.02)


def test_a_missing_program_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(BedError, match="run tests/tools/build openbao"):
        tool("openbao")


def test_the_api_server_says_a_version_that_clients_can_read(cluster):
    assert cluster.must("GET", "/version")["gitVersion"] == "v1.34.4"
