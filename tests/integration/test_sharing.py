"""Sharing of logins and cache entries, counted in OpenBao's audit log: as few requests as possible, never across accounts."""

import time

import grpc
import pytest

from harness.driver import MountFailed
from harness.tenant import Tenant, vault_class

AT_ONCE = {"nodekeep/refreshAfter": "0s"}


def put_secrets(openbao, prefix: str, count: int) -> list:
    """Writes `count` secrets; returns the objects of a class for them."""
    for i in range(count):
        openbao.put_secret(f"{prefix}/s{i}", {"k": f"{prefix}-value-{i}"})
    return [(f"f{i}", f"secret/data/{prefix}/s{i}", "k") for i in range(count)]


def accessors_of(openbao, role: str) -> list[str]:
    """Accessors of the tokens issued to logins with this role."""
    listed = openbao.must("LIST", "auth/token/accessors")["data"]["keys"]
    found = []
    for accessor in listed:
        reply = openbao.request("POST", "auth/token/lookup-accessor", {"accessor": accessor})
        if reply.ok and (reply.json["data"]["meta"] or {}).get("role") == role:
            found.append(accessor)
    return found


def revoke_logins(openbao, role: str) -> int:
    accessors = accessors_of(openbao, role)
    for accessor in accessors:
        openbao.must("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    return len(accessors)


def test_110_pods_of_one_account_cost_one_login_and_one_read_per_secret(agent, driver, tenant, openbao, unique):
    entries = put_secrets(openbao, unique, 10)
    spc = tenant.spc(*entries)
    pods = [tenant.pod() for _ in range(110)]
    mark = openbao.audit.mark()
    began = time.monotonic()
    outcomes = driver.mount_all([(spc, pod) for pod in pods])
    took = time.monotonic() - began
    for outcome in outcomes:
        assert not isinstance(outcome, MountFailed), outcome
        assert outcome.files == {f"f{i}": f"{unique}-value-{i}".encode() for i in range(10)}
    assert len({tuple(outcome.versions.items()) for outcome in outcomes}) == 1
    assert openbao.audit.logins(mark) == 1
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 10
    assert openbao.audit.count(mark) == 11
    lines = agent.mount_lines()
    assert len(lines) == 110
    assert sum(line["logins"] for line in lines) == 1
    assert sum(line["backend_reads"] for line in lines) == 10
    # The upstream provider takes 20 s; this bound only shows that mounts are not serialized.
    assert took < 15

    mark = openbao.audit.mark()
    assert all(outcome.files for outcome in driver.mount_all([(spc, pod) for pod in pods]))
    assert openbao.audit.count(mark) == 0


def test_a_new_pod_of_a_known_account_costs_nothing(driver, tenant, openbao, unique):
    spc = tenant.spc(*put_secrets(openbao, unique, 3))
    first = driver.mount(spc, tenant.pod())
    newcomer = tenant.pod()
    mark = openbao.audit.mark()
    assert driver.mount(spc, newcomer).files == first.files
    assert openbao.audit.count(mark) == 0


def test_jwt_logins_belong_to_one_pod(driver, tenant, openbao, unique):
    openbao.jwt_role(unique)
    spc = vault_class(openbao.url, unique, *put_secrets(openbao, unique, 3), **{"nodekeep/auth": "jwt"})
    pods = [tenant.pod() for _ in range(5)]
    mark = openbao.audit.mark()
    outcomes = driver.mount_all([(spc, pod) for pod in pods])
    assert all(len(outcome.files) == 3 for outcome in outcomes)
    assert openbao.audit.logins(mark) == 5
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 15


def test_a_jwt_role_that_lets_in_one_pod_is_not_opened_by_it_to_others(driver, tenant, openbao, unique):
    openbao.jwt_role(unique, bound_claims={"/kubernetes.io/pod/name": "let-in"})
    # The type of the auth mount is not configured: it is derived from the login response.
    spc = vault_class(openbao.url, unique, *put_secrets(openbao, unique, 1), vaultAuthMountPath="jwt")
    assert driver.mount(spc, tenant.pod("let-in")).files
    assert driver.failure(spc, tenant.pod("kept-out")).code == grpc.StatusCode.PERMISSION_DENIED


def test_a_jwt_role_that_claims_to_be_kubernetes_auth_is_not_shared(driver, tenant, openbao, unique):
    openbao.jwt_role(unique, bound_claims={"/kubernetes.io/pod/name": "let-in"}, claim_mappings={
        "/kubernetes.io/serviceaccount/uid": "service_account_uid", "/kubernetes.io/serviceaccount/name": "service_account_name",
        "/kubernetes.io/namespace": "service_account_namespace"})
    spc = vault_class(openbao.url, unique, *put_secrets(openbao, unique, 1), vaultAuthMountPath="jwt")
    assert driver.mount(spc, tenant.pod("let-in")).files
    assert driver.failure(spc, tenant.pod("kept-out")).code == grpc.StatusCode.PERMISSION_DENIED


def test_two_accounts_never_share(driver, cluster, openbao, namespace, unique):
    entries = put_secrets(openbao, unique, 4)
    openbao.kubernetes_role(unique, service_accounts=["*"], namespaces=[namespace])
    pods = []
    for account in ("one", "two"):
        pods.append(Tenant(cluster, openbao, namespace, account, f"{unique}-{account}").pod())
    spc = vault_class(openbao.url, unique, *entries)  # the same class and role for both
    mark = openbao.audit.mark()
    for _ in range(2):
        assert all(outcome.files for outcome in driver.mount_all([(spc, pod) for pod in pods]))
    assert openbao.audit.logins(mark) == 2
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 8


@pytest.mark.parametrize("key, value", [
    ("roleName", "{}-again"), ("audience", "vault"), ("vaultAddress", "localhost"), ("vaultAuthMountPath", "kubernetes")])
def test_logins_are_told_apart_by_what_makes_their_rights(driver, tenant, openbao, unique, key, value):
    """The audience and the mount equal the defaults and therefore share the login."""
    entries = put_secrets(openbao, unique, 1)
    openbao.kubernetes_role(f"{unique}-again", service_accounts=[tenant.account], namespaces=[tenant.namespace])
    spc = tenant.spc(*entries)
    other = openbao.url.replace("127.0.0.1", value) if key == "vaultAddress" else value.format(unique)
    pod = tenant.pod()
    mark = openbao.audit.mark()
    assert driver.mount(spc, pod).files == driver.mount({**spc, key: other}, pod).files
    assert openbao.audit.logins(mark) == (1 if key in ("audience", "vaultAuthMountPath") else 2)


def test_a_recreated_account_gets_nothing_of_its_predecessors(driver, tenant, openbao, cluster, unique):
    entries = put_secrets(openbao, unique, 2)
    spc = tenant.spc(*entries)
    assert driver.mount(spc, tenant.pod()).files
    cluster.delete(tenant.namespace, "serviceaccounts", tenant.account)
    cluster.create_service_account(tenant.namespace, tenant.account)
    successor = tenant.pod()
    # The role no longer accepts the account's name, so a successful mount could only come from the predecessor's entries.
    openbao.kubernetes_role(tenant.role, service_accounts=["nobody"], namespaces=[tenant.namespace])
    assert driver.failure(spc, successor).code == grpc.StatusCode.PERMISSION_DENIED
    openbao.kubernetes_role(tenant.role, service_accounts=[tenant.account], namespaces=[tenant.namespace])
    mark = openbao.audit.mark()
    another = tenant.pod()
    assert driver.mount(spc, another).files
    assert openbao.audit.logins(mark) == 1
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 2


@pytest.mark.parametrize("how", ["the command line", "every mount"])
def test_a_policy_taken_away_denies_at_the_next_refresh(start_agent, cluster, openbao, namespace, unique, how):
    agent = start_agent(config={"policy": {"rememberFailure": "2s"}})
    driver = agent.driver()
    openbao.write_policy(unique, 'path "secret/data/*" { capabilities = ["read"] }')
    tenant = Tenant(cluster, openbao, namespace, "web", unique, policies=(unique,))
    spc = tenant.spc(*put_secrets(openbao, unique, 1), **(AT_ONCE if how == "every mount" else {}))
    pod, other = tenant.pod(), tenant.pod()
    assert driver.mount(spc, pod).files and driver.mount(spc, other).files
    openbao.write_policy(unique, 'path "secret/data/elsewhere" { capabilities = ["read"] }')
    if how == "the command line":
        assert driver.mount(spc, pod).files  # no read within refreshAfter
        agent.cli("refresh", "--all", check=False)
    for asker in (pod, other, pod):
        failed = driver.failure(spc, asker)
        assert failed.code == grpc.StatusCode.PERMISSION_DENIED and "Code: 403" in failed.message
    openbao.write_policy(unique, 'path "secret/data/*" { capabilities = ["read"] }')
    agent.wait_for(lambda: not isinstance(driver.mount_all([(spc, pod)])[0], MountFailed), "access again", timeout=6)


def test_a_remembered_denial_spares_the_backend(driver, cluster, openbao, namespace, unique):
    openbao.write_policy(unique, 'path "secret/data/elsewhere" { capabilities = ["read"] }')
    tenant = Tenant(cluster, openbao, namespace, "web", unique, policies=(unique,))
    spc = tenant.spc(*put_secrets(openbao, unique, 1))
    pod = tenant.pod()
    mark = openbao.audit.mark()
    for _ in range(5):
        assert driver.failure(spc, pod).code == grpc.StatusCode.PERMISSION_DENIED
    assert openbao.audit.logins(mark) == 1
    assert openbao.audit.count(mark, f"secret/data/{unique}/") == 1


def test_a_refused_login_is_not_repeated_at_once(driver, tenant, openbao, unique):
    openbao.kubernetes_role(tenant.role, service_accounts=["nobody"], namespaces=[tenant.namespace])
    spc = tenant.spc(*put_secrets(openbao, unique, 1))
    pod = tenant.pod()
    mark = openbao.audit.mark()
    for _ in range(5):
        assert driver.failure(spc, pod).code == grpc.StatusCode.PERMISSION_DENIED
    assert openbao.audit.logins(mark) == 1


def test_a_revoked_token_costs_one_login(driver, tenant, openbao, unique):
    spc = tenant.spc(*put_secrets(openbao, unique, 5), **AT_ONCE)
    pods = [tenant.pod() for _ in range(8)]
    assert driver.mount(spc, pods[0]).files
    assert revoke_logins(openbao, tenant.role) == 1
    mark = openbao.audit.mark()
    outcomes = driver.mount_all([(spc, pod) for pod in pods])
    assert all(not isinstance(outcome, MountFailed) for outcome in outcomes), outcomes
    assert openbao.audit.logins(mark) == 1


@pytest.mark.parametrize("method", ["approle", "token"])
def test_credentials_handed_along_are_used_for_one_pod_only(driver, tenant, openbao, unique, method):
    entries = put_secrets(openbao, unique, 2)
    spc = vault_class(openbao.url, None, *entries, **{"nodekeep/auth": method})
    if method == "approle":
        role_id, secret_id = openbao.approle(unique)
        secrets = {"role_id": role_id, "secret_id": secret_id}
    else:
        secrets = {"token": openbao.create_token(["read-secrets"])["client_token"]}
    pods = [tenant.pod() for _ in range(3)]
    mark = openbao.audit.mark()
    for _ in range(2):
        for pod in pods:
            assert driver.mount(spc, pod, secrets=secrets).files
    assert openbao.audit.count(mark, f"secret/data/{unique}/", "read") == 6
    if method == "approle":
        assert openbao.audit.logins(mark) == 3
    # The same pod with another credential, or with none, does not share the login.
    wrong = {"role_id": secrets["role_id"], "secret_id": "wrong"} if method == "approle" else {"token": "wrong"}
    assert driver.failure(spc, pods[0], secrets=wrong).code == grpc.StatusCode.PERMISSION_DENIED
    assert driver.failure(spc, pods[0], secrets=None).code == grpc.StatusCode.INVALID_ARGUMENT
    assert driver.mount(spc, pods[0], secrets=secrets).files


def test_a_token_of_another_account_gives_neither_its_uid_nor_its_entries(driver, cluster, openbao, namespace, unique):
    """The driver does not send this, but a buggy driver or another process with access to the socket could."""
    entries = put_secrets(openbao, unique, 1)
    rich = Tenant(cluster, openbao, namespace, "rich", unique)
    poor = Tenant(cluster, openbao, namespace, "poor", f"{unique}-poor")
    spc = rich.spc(*entries)
    assert driver.mount(spc, rich.pod()).files
    pod = poor.pod()
    # The account "rich" with the token of "poor": kubernetes auth denies it, and nothing of "rich" is served.
    failed = driver.failure(spc, pod.with_(service_account="rich"))
    assert failed.code == grpc.StatusCode.PERMISSION_DENIED
    assert driver.failure(spc, pod).code == grpc.StatusCode.PERMISSION_DENIED
