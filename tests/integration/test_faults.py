"""What pods are served while OpenBao, the network or the agent itself fails.

Steps of the wall clock are not tested here, because they would affect all processes. Ages and expiries are measured with the
steady clock; the unit tests of agent/secrets step each clock separately.
"""

import contextlib
import threading
import time

import grpc
import pytest

from harness.driver import NOT_FINAL, Driver, MountFailed
from harness.tenant import Tenant
from test_sharing import accessors_of, revoke_logins

AT_ONCE = {"nodekeep/refreshAfter": "0s"}
DOWN = {
    # name: (fault of a proxy, seconds within which a mount of a known pod completes)
    "refused": (lambda proxy: proxy.down(), 6),
    "reset": (lambda proxy: proxy.reset(), 6),
    "cut in the middle of the body": (lambda proxy: proxy.cut_after(20_000), 6),
    "cut before the first byte": (lambda proxy: proxy.cut_after(0), 6),
    "hung": (lambda proxy: proxy.hang(), 6),
    "slower than the mount budget": (lambda proxy: proxy.delay(20_000), 6),
}


@contextlib.contextmanager
def took_less_than(seconds: float):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture
def agent(start_agent):
    """An agent whose mounts fail within seconds while a backend is down."""
    return start_agent(config={"mountBudget": "5s"})


def outcome_of(driver, spc, pod, timeout: float = 30.0):
    return driver.mount_all([(spc, pod)], timeout=timeout)[0]


def fresh_again(agent, driver, spc, pod, wanted: dict, timeout: float = 40.0) -> None:
    """Waits until a mount gets fresh values from the backend again, these files among them."""
    def tried() -> bool:
        mounted = outcome_of(driver, spc, pod)
        return (not isinstance(mounted, MountFailed) and agent.mount_lines(pod)[-1]["outcome"] == "ok"
                and wanted.items() <= mounted.files.items())
    agent.wait_for(tried, "a fresh value", timeout, every=0.25)


@pytest.fixture
def proxied(tenant, openbao, openbao_proxy, unique):
    """A class whose every mount reads a large and a small secret from OpenBao, through a proxy."""
    openbao.put_secret(f"{unique}/large", {"k": "x" * 100_000})
    openbao.put_secret(f"{unique}/small", {"k": "before"})
    return tenant.spc(("large", f"secret/data/{unique}/large", "k"), ("small", f"secret/data/{unique}/small", "k"),
                      address=f"http://{openbao_proxy.address}", **AT_ONCE)


@pytest.mark.parametrize("fault, seconds", DOWN.values(), ids=DOWN.keys())
def test_a_known_pod_gets_its_last_good_values_while_the_backend_is(
        agent, driver, tenant, openbao, openbao_proxy, proxied, unique, fault, seconds):
    pod = tenant.pod()
    good = driver.mount(proxied, pod)
    fault(openbao_proxy)
    with took_less_than(seconds):
        stale = driver.mount(proxied, pod)
    assert stale.files == good.files and stale.versions == good.versions

    line = agent.mount_lines(pod)[-1]
    assert line["outcome"] == "stale" and line["level"] == "warn"
    assert line["stale"] >= 1 and line["stale_reason"]
    assert agent.metric("nodekeep_stale_served_total", provider="vault") >= 1
    assert agent.metric("nodekeep_mounts_total", provider="vault", outcome="stale") == 1
    shown = agent.status()["mounts"][0]
    assert shown["outcome"] == "stale" and shown["staleReason"]

    openbao.put_secret(f"{unique}/small", {"k": "after"})
    openbao_proxy.heal()
    fresh_again(agent, driver, proxied, pod, {"small": b"after"})


@pytest.mark.parametrize("fault", [fault for fault, _ in DOWN.values()], ids=DOWN.keys())
def test_a_pod_never_seen_gets_a_final_error_while_the_backend_is(
        agent, driver, tenant, openbao_proxy, proxied, fault):
    pod = tenant.pod()
    fault(openbao_proxy)
    with took_less_than(8):
        failed = driver.failure(proxied, pod)
    assert failed.code not in NOT_FINAL, failed
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION
    assert failed.message.startswith("error making mount request: couldn't read secret \"large\"")
    openbao_proxy.heal()
    fresh_again(agent, driver, proxied, pod, {"small": b"before"})


def test_a_new_pod_shares_the_last_good_values_of_its_account_only(
        agent, driver, cluster, openbao, openbao_proxy, tenant, proxied, namespace, unique):
    other = Tenant(cluster, openbao, namespace, "other", f"{unique}-other")
    good = driver.mount(proxied, tenant.pod())
    newcomer, foreign = tenant.pod(), other.pod()
    openbao_proxy.down()
    assert driver.mount(proxied, newcomer).files == good.files
    assert agent.mount_lines(newcomer)[-1]["outcome"] == "stale"
    failed = driver.failure({**proxied, "roleName": other.role}, foreign)
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION
    assert driver.failure(proxied, foreign).code == grpc.StatusCode.FAILED_PRECONDITION


def test_a_class_that_asks_for_one_secret_more_gets_an_error_not_a_part(agent, driver, tenant, openbao_proxy, proxied, unique):
    pod = tenant.pod()
    driver.mount(proxied, pod)
    openbao_proxy.down()
    more = tenant.spc(("large", f"secret/data/{unique}/large", "k"), ("more", f"secret/data/{unique}/small?version=1", "k"),
                      address=proxied["vaultAddress"], **AT_ONCE)
    failed = driver.failure(more, pod)
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION and '"more"' in failed.message


def test_a_slow_backend_is_waited_for(agent, driver, tenant, openbao_proxy, proxied):
    pod = tenant.pod()
    openbao_proxy.delay(300)
    driver.mount(proxied, pod)
    driver.mount(proxied, pod)
    assert [line["outcome"] for line in agent.mount_lines(pod)] == ["ok", "ok"]


def test_a_connection_cut_once_is_retried_unnoticed(agent, driver, tenant, openbao_proxy, proxied):
    pod = tenant.pod()
    driver.mount(proxied, pod)
    openbao_proxy.down()  # closes the pooled connections
    openbao_proxy.up()
    driver.mount(proxied, pod)
    assert [line["outcome"] for line in agent.mount_lines(pod)] == ["ok", "ok"]


def test_the_callers_deadline_is_kept_while_the_backend_hangs(driver, tenant, openbao_proxy, proxied):
    pod = tenant.pod()
    openbao_proxy.hang()
    with took_less_than(4):
        assert driver.failure(proxied, pod, timeout=2).code in (
            grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_the_hard_age_ends_the_last_good_values(agent, driver, tenant, openbao_proxy, proxied):
    spc = {**proxied, "nodekeep/serveStaleFor": "5s"}
    pod = tenant.pod()
    driver.mount(spc, pod)
    openbao_proxy.down()
    driver.mount(spc, pod)
    assert agent.mount_lines(pod)[-1]["outcome"] == "stale"
    ended = agent.wait_for(lambda: (o := outcome_of(driver, spc, pod)) and isinstance(o, MountFailed) and o,
                           "the hard age", timeout=20, every=0.2)
    assert ended.code == grpc.StatusCode.FAILED_PRECONDITION
    assert isinstance(outcome_of(driver, spc, pod), MountFailed)


def test_zero_never_serves_a_stale_value(agent, driver, tenant, openbao_proxy, proxied):
    spc = {**proxied, "nodekeep/serveStaleFor": "0s"}
    pod = tenant.pod()
    driver.mount(spc, pod)
    openbao_proxy.down()
    assert driver.failure(spc, pod).code == grpc.StatusCode.FAILED_PRECONDITION


AUTHORITATIVE = {
    "deleted": (lambda bao, unique: bao.must("DELETE", f"secret/data/{unique}/small"), grpc.StatusCode.NOT_FOUND),
    "destroyed": (lambda bao, unique: bao.must("DELETE", f"secret/metadata/{unique}/small"), grpc.StatusCode.NOT_FOUND),
    "without the key": (lambda bao, unique: bao.put_secret(f"{unique}/small", {"other": "x"}), grpc.StatusCode.NOT_FOUND),
    "denied": (lambda bao, unique: bao.write_policy(unique, 'path "secret/data/none" { capabilities = ["read"] }'),
               grpc.StatusCode.PERMISSION_DENIED),
}


@pytest.mark.parametrize("end, code", AUTHORITATIVE.values(), ids=AUTHORITATIVE.keys())
def test_an_authoritative_no_ends_the_value_for_good(
        agent, driver, cluster, openbao, openbao_proxy, namespace, unique, end, code):
    openbao.write_policy(unique, 'path "secret/data/*" { capabilities = ["read"] }')
    tenant = Tenant(cluster, openbao, namespace, "web", unique, policies=(unique,))
    openbao.put_secret(f"{unique}/small", {"k": "v"})
    spc = tenant.spc(("small", f"secret/data/{unique}/small", "k"), address=f"http://{openbao_proxy.address}", **AT_ONCE)
    pod = tenant.pod()
    driver.mount(spc, pod)
    end(openbao, unique)
    assert driver.failure(spc, pod).code == code
    # The old value is not served while the backend is down either.
    openbao_proxy.down()
    failed = driver.failure(spc, pod)
    assert failed.code in (code, grpc.StatusCode.FAILED_PRECONDITION)
    assert all(line["outcome"] != "stale" for line in agent.mount_lines(pod))


def test_a_refused_identity_ends_its_values_for_good(agent, driver, tenant, openbao, openbao_proxy, proxied):
    pod = tenant.pod()
    driver.mount(proxied, pod)
    openbao.kubernetes_role(tenant.role, service_accounts=["nobody"], namespaces=[tenant.namespace])
    revoke_logins(openbao, tenant.role)
    assert driver.failure(proxied, pod).code == grpc.StatusCode.PERMISSION_DENIED
    openbao_proxy.down()
    assert isinstance(outcome_of(driver, proxied, pod), MountFailed)
    assert all(line["outcome"] != "stale" for line in agent.mount_lines(pod))


# -- OpenBao's own refusals


@pytest.fixture
def limited(openbao, tenant, unique):
    """The name of a KV engine for one test, with one secret, so that a quota affects no other test."""
    openbao.must("POST", f"sys/mounts/{unique}", {"type": "kv"})
    openbao.must("POST", f"{unique}/a", {"k": "v"})
    openbao.write_policy(unique, f'path "{unique}/*" {{ capabilities = ["read"] }}')
    openbao.kubernetes_role(tenant.role, service_accounts=[tenant.account], namespaces=[tenant.namespace], policies=[unique])
    yield unique
    openbao.request("DELETE", f"sys/quotas/rate-limit/{unique}")
    openbao.must("DELETE", f"sys/mounts/{unique}")


@pytest.mark.parametrize("interval", ["1s", "3s"])
def test_429_with_retry_after_is_waited_out(start_agent, tenant, openbao, limited, interval):
    """OpenBao truncates Retry-After to whole seconds: 0 for an interval of one second, 2 for three seconds."""
    for i in range(6):
        openbao.must("POST", f"{limited}/s{i}", {"k": str(i)})
    openbao.limit_rate(limited, f"{limited}/", rate=3, interval=interval, retry_after=True)
    mounted = start_agent().driver().mount(tenant.spc(*[(f"f{i}", f"{limited}/s{i}", "k") for i in range(6)]), tenant.pod())
    assert [mounted.text(f"f{i}") for i in range(6)] == [str(i) for i in range(6)]


@pytest.mark.parametrize("retry_after", [True, False], ids=["with Retry-After", "without"])
def test_429_for_good(agent, driver, tenant, openbao, limited, retry_after):
    spc = tenant.spc(("f", f"{limited}/a", "k"), **AT_ONCE)
    pod = tenant.pod()
    assert driver.mount(spc, pod).text("f") == "v"
    openbao.limit_rate(limited, f"{limited}/", rate=1, interval="60s", retry_after=retry_after)
    driver.mount_all([(spc, pod)])  # uses up the rest of the quota
    with took_less_than(8):
        assert driver.mount(spc, pod).text("f") == "v"
    line = agent.mount_lines(pod)[-1]
    assert line["outcome"] == "stale" and "429" in line["stale_reason"]
    # Without a cached value, the error gives the reason.
    agent.cli("cache", "flush")
    with took_less_than(25):
        failed = driver.failure(spc, tenant.pod(), timeout=20)
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION and "429" in failed.message


def test_an_expired_login_is_made_anew_unnoticed(agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    openbao.kubernetes_role(tenant.role, service_accounts=[tenant.account], namespaces=[tenant.namespace],
                            token_ttl="2s", token_max_ttl="2s")
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **AT_ONCE)
    pod = tenant.pod()
    mark = openbao.audit.mark()
    until = time.monotonic() + 5
    while time.monotonic() < until:
        assert driver.mount(spc, pod).text("f") == "v"
        time.sleep(0.1)
    assert {line["outcome"] for line in agent.mount_lines(pod)} == {"ok"}
    assert 2 <= openbao.audit.logins(mark) <= 6


def test_a_login_in_use_is_renewed_and_an_idle_one_is_revoked(agent, driver, tenant, cluster, openbao, unique):
    """The agent checks its logins every five seconds and renews them at two thirds of their lifetime."""
    openbao.put_secret(unique, {"k": "v"})
    idle = Tenant(cluster, openbao, tenant.namespace, "idle", f"{unique}-idle")
    for each in (tenant, idle):
        openbao.kubernetes_role(each.role, service_accounts=[each.account], namespaces=[each.namespace],
                                token_ttl="24s", token_max_ttl="1h")
    mark = openbao.audit.mark()
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **AT_ONCE)
    pod = tenant.pod()
    assert driver.mount({**spc, "roleName": idle.role}, idle.pod()).files

    def renewed() -> bool:
        assert driver.mount(spc, pod).files
        return openbao.audit.count(mark, "auth/token/renew-self") == 1
    agent.wait_for(renewed, "a renewal", timeout=24, every=0.5)
    agent.wait_for(lambda: openbao.audit.count(mark, "auth/token/revoke-self") == 1, "a revocation", timeout=8)
    assert openbao.audit.logins(mark) == 2
    agent.wait_for(lambda: accessors_of(openbao, idle.role) == [], "the end of the token")
    assert len(accessors_of(openbao, tenant.role)) == 1


def test_a_token_revoked_between_two_mounts_is_replaced(agent, driver, tenant, openbao, proxied):
    pod = tenant.pod()
    driver.mount(proxied, pod)
    assert revoke_logins(openbao, tenant.role) == 1
    driver.mount(proxied, pod)
    line = agent.mount_lines(pod)[-1]
    assert (line["outcome"], line["logins"]) == ("ok", 1)


def test_a_sealed_server_is_sat_out(agent, driver, cluster, own_openbao, namespace, unique):
    own_openbao.enable_kubernetes_auth(cluster, mount="kubernetes")
    tenant = Tenant(cluster, own_openbao, namespace, "web", unique)
    own_openbao.put_secret(unique, {"k": "before"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **AT_ONCE)
    pod = tenant.pod()
    driver.mount(spc, pod)
    own_openbao.seal()
    with took_less_than(8):
        assert driver.mount(spc, pod).text("f") == "before"
    line = agent.mount_lines(pod)[-1]
    assert line["outcome"] == "stale" and "503" in line["stale_reason"]
    uncached = driver.failure({**spc, "roleName": "another"}, pod, timeout=20)
    assert uncached.code == grpc.StatusCode.FAILED_PRECONDITION

    own_openbao.unseal()
    own_openbao.put_secret(unique, {"k": "after"})
    fresh_again(agent, driver, spc, pod, {"f": b"after"})


def test_a_hung_server_is_sat_out(agent, driver, cluster, own_openbao, namespace, unique):
    own_openbao.enable_kubernetes_auth(cluster)
    tenant = Tenant(cluster, own_openbao, namespace, "web", unique)
    own_openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"), **AT_ONCE)
    pod = tenant.pod()
    driver.mount(spc, pod)
    own_openbao.pause()
    try:
        with took_less_than(6):
            assert driver.mount(spc, pod).text("f") == "v"
        assert agent.mount_lines(pod)[-1]["outcome"] == "stale"
    finally:
        own_openbao.resume()
    fresh_again(agent, driver, spc, pod, {"f": b"v"})


# -- the agent itself


def storm(driver: Driver, spc: dict, pods: list, stop: threading.Event, outcomes: list) -> list:
    """Starts threads that mount in a loop and append the results to `outcomes`."""
    def run(pod):
        while not stop.is_set():
            outcomes.append(outcome_of(driver, spc, pod, timeout=20))

    threads = [threading.Thread(target=run, args=(pod,), daemon=True) for pod in pods]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM"])
def test_an_agent_that_ends_in_a_storm_of_mounts_is_replaced_by_the_next(agent, driver, tenant, openbao, unique, end):
    want = {}
    for i in range(5):
        openbao.put_secret(f"{unique}/{i}", {"k": f"{unique}-{i}" * 2000})
        want[f"f{i}"] = f"{unique}-{i}".encode() * 2000
    spc = tenant.spc(*[(f"f{i}", f"secret/data/{unique}/{i}", "k") for i in range(5)], **AT_ONCE)
    pods = [tenant.pod() for _ in range(8)]
    stop, outcomes = threading.Event(), []
    threads = storm(driver, spc, pods, stop, outcomes)
    for _ in range(3):
        seen = len(outcomes)
        agent.wait_for(lambda: len(outcomes) > seen + 20, "mounts", every=0.02)
        if end == "SIGKILL":
            agent.kill()
            assert agent.socket().exists()
        else:
            assert agent.stop() == 0
            assert not agent.socket().exists() and not agent.admin_socket.exists()
        agent.start()
        assert driver.mount(spc, pods[0], timeout=10).files == want
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for outcome in outcomes:
        if isinstance(outcome, MountFailed):
            # The driver retries this code.
            assert outcome.code == grpc.StatusCode.UNAVAILABLE, outcome
        else:
            assert outcome.files == want


def test_a_second_agent_on_the_same_sockets_says_who_is_in_the_way(agent, driver, start_agent, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    done = agent.cli("run", "--provider-dir", agent.provider_dir, "--providers", "vault", "--http", "off",
                     "--admin-socket", f"{agent.admin_socket}2", check=False, timeout=10)
    assert done.returncode != 0
    assert "another process is serving it" in done.stderr
    assert driver.mount(tenant.spc(("f", f"secret/data/{unique}", "k")), tenant.pod()).files


def test_a_configuration_that_is_refused_leaves_the_old_one_in_force(agent, driver, tenant, openbao, unique):
    openbao.put_secret(unique, {"k": "v"})
    spc = tenant.spc(("f", f"secret/data/{unique}", "k"))
    del spc["vaultAddress"]
    pod = tenant.pod()
    agent.config_file.write_text(f"providers: {{vault: {{address: '{openbao.url}'}}}}\n")
    agent.wait_for(lambda: agent.events("configuration reloaded"), "the reload")
    assert driver.mount(spc, pod).text("f") == "v"
    agent.config_file.write_text("providers: {vault: {adress: 'http://127.0.0.1:1'}}\n")
    refused = agent.wait_for(lambda: agent.events("configuration refused; the old one stays in force"), "the refusal")[0]
    assert "adress" in refused["error"]
    assert driver.mount(spc, tenant.pod()).text("f") == "v"
    assert "adress" in agent.status()["config"]["reloadError"]
