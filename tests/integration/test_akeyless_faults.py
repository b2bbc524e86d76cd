"""What pods are served while an Akeyless gateway, its service or the network fails, and the load on the gateway meanwhile."""

import threading
import time

import grpc
import pytest

from bed.akeyless import AkeylessGateway
from bed.certificates import CertificateAuthority
from bed.json_client import JsonClient
from harness.akeyless import AkeylessTenant
from harness.driver import NOT_FINAL, Pod

AT_ONCE = {"nodekeep/refreshAfter": "0s"}


@pytest.fixture
def akeyless_agent(start_akeyless_agent):
    """An agent whose mounts fail within seconds while a gateway is down."""
    return start_akeyless_agent(config={"mountBudget": "5s"})


@pytest.fixture
def driver(akeyless_agent):
    return akeyless_agent.driver("akeyless")


@pytest.fixture
def item(akeyless) -> str:
    return akeyless.add_item("/a", "v" * 2000)


DOWN = {
    "refused": lambda proxy: proxy.down(), "reset": lambda proxy: proxy.reset(), "hung": lambda proxy: proxy.hang(),
    "cut in the middle": lambda proxy: proxy.cut_after(100),
}


@pytest.mark.parametrize("fault", DOWN.values(), ids=DOWN.keys())
def test_a_gateway_that_is_down(akeyless, akeyless_agent, akeyless_proxy, akeyless_tenant, driver, item, fault):
    spc = akeyless_tenant.spc(("f", item), gateway=f"http://{akeyless_proxy.address}/api/v2", **AT_ONCE)
    pod = akeyless_tenant.pod()
    good = driver.mount(spc, pod)
    fault(akeyless_proxy)
    began = time.monotonic()
    stale = driver.mount(spc, pod)
    assert time.monotonic() - began < 6
    assert (stale.files, stale.versions) == (good.files, good.versions)
    assert akeyless_agent.mount_lines(pod)[-1]["outcome"] == "stale"
    failed = driver.failure(akeyless_tenant.spc(("f", "/never-read"), gateway=f"http://{akeyless_proxy.address}/api/v2"), pod)
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION and failed.code not in NOT_FINAL
    akeyless_proxy.heal()
    akeyless.put(item, "back")
    akeyless_agent.wait_for(lambda: driver.mount(spc, pod).files == {"f": b"back"}, "a fresh value", 40, every=0.25)


TRANSIENT = {
    # name: (kind, more of the fault)
    "502 of a load balancer": ("status", {"status": 502, "body": "<html>Bad Gateway</html>"}),
    "500": ("status", {"status": 500, "body": {"error": "internal server error"}}),
    "truncated": ("cut", {}), "truncated chunks": ("cut", {"chunked": True}), "reset": ("reset", {}), "cut off": ("refuse", {}),
    "not JSON": ("body", {"body": "<html>"}),
}


@pytest.mark.parametrize("command", ["auth", "describe-item", "get-secret-value"])
@pytest.mark.parametrize("kind, more", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_a_fault_of_one_answer_is_mended_by_asking_again(akeyless, akeyless_tenant, driver, item, command, kind, more):
    akeyless.fault(kind, command=command, times=1, **more)
    mounted = driver.mount(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod())
    assert mounted.files == {"f": b"v" * 2000}
    assert akeyless.counts()[command] == 2
    assert akeyless.requests(0, command)[0]["fault"] == kind


@pytest.mark.parametrize("kind, more", [("chunked", {}), ("slow", {"seconds": 1.0}), ("delay", {"seconds": 1.0})])
def test_an_unusual_answer_is_read_whole(akeyless, akeyless_tenant, driver, item, kind, more):
    akeyless.fault(kind, **more)
    assert driver.mount(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod()).files == {"f": b"v" * 2000}


def test_a_huge_answer_fails_its_mount_only(akeyless, akeyless_agent, akeyless_tenant, driver, item):
    akeyless.add_item("/b", "v")
    akeyless.fault("huge", item=item, command="get-secret-value", bytes=64 << 20)
    before = akeyless_agent.rss_kib()
    failed = driver.failure(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod())
    assert failed.code not in NOT_FINAL, failed
    assert akeyless_agent.rss_kib() - before < 48 << 10
    assert driver.mount(akeyless_tenant.spc(("f", "/b")), akeyless_tenant.pod()).files == {"f": b"v"}


ODD = {
    "null for a text": '{"item_name": null, "item_type": null, "last_version": null}',
    "a list": "[]", "a number": "7", "empty": "", "deep": "[" * 100_000,
    "not Unicode in a name": '{"item_name": "\\ud800", "item_type": "STATIC_SECRET", "last_version": 1}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD.keys())
def test_a_description_that_makes_no_sense_is_an_error(akeyless, akeyless_agent, akeyless_tenant, driver, item, body):
    akeyless.fault("body", command="describe-item", body=body)
    failed = driver.failure(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod())
    assert failed.code not in NOT_FINAL, failed
    akeyless.heal()
    assert akeyless_agent.running
    assert driver.mount(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod()).files == {"f": b"v" * 2000}


@pytest.fixture
def folders(akeyless) -> list:
    """Six objects in separate folders, so that each is described by a separate request."""
    for i in range(6):
        akeyless.add_item(f"/dir{i}/s", f"value {i}")
    return [(f"f{i}", f"/dir{i}/s") for i in range(6)]


WANTED = {f"f{i}": f"value {i}".encode() for i in range(6)}


def test_a_throttled_access_id_waits_as_long_as_it_is_told(akeyless, akeyless_tenant, driver, folders):
    akeyless.throttle(akeyless_tenant.access_id, per_second=4, burst=4, retry_after=1)
    spc = akeyless_tenant.spc(*folders)
    outcomes = driver.mount_all([(spc, akeyless_tenant.pod()) for _ in range(20)], timeout=30)
    assert [getattr(outcome, "files", outcome) for outcome in outcomes] == [WANTED] * 20
    refused = [request["time"] for request in akeyless.requests() if request["status"] == 429]
    assert 1 <= len(refused) <= 16, akeyless.counts()
    later = [request["time"] for request in akeyless.requests() if request["time"] > refused[0] + 0.6]
    assert later[0] - refused[0] >= 0.8


def test_throttling_without_a_time_is_no_reason_to_hammer(akeyless, start_akeyless_agent, akeyless_tenant, folders):
    akeyless_agent = start_akeyless_agent()  # with the default mountBudget, which allows for the waits
    driver = akeyless_agent.driver("akeyless")
    akeyless.throttle(akeyless_tenant.access_id, per_second=4, burst=4)
    spc = akeyless_tenant.spc(*folders)
    for outcome in driver.mount_all([(spc, akeyless_tenant.pod()) for _ in range(20)], timeout=60):
        if not hasattr(outcome, "files"):
            assert outcome.code == grpc.StatusCode.FAILED_PRECONDITION and "rate limit" in outcome.message, outcome
    # Seven requests, each sent four times at most, for any number of pods.
    assert len(akeyless.requests()) <= 7 * 4 + 1, akeyless.counts()
    akeyless.unthrottle(akeyless_tenant.access_id)
    akeyless_agent.wait_for(
        lambda: getattr(driver.mount_all([(spc, akeyless_tenant.pod())])[0], "files", None) == WANTED, "a successful mount", 20)


def test_a_gateway_that_throttles_for_seconds_and_says_nothing_fails_no_mount(akeyless, start_akeyless_agent, item):
    """Each of the access ids is throttled three times. A single wait is random (jitter), so the mean is checked."""
    tenants = [AkeylessTenant(akeyless, account=f"team{n}") for n in range(8)]
    for tenant in tenants:
        akeyless.fault("status", command="auth", access_id=tenant.access_id, times=3, status=429, body={"error": "slow down"})
    driver = start_akeyless_agent().driver("akeyless")
    outcomes = driver.mount_all([(tenant.spc(("f", item)), tenant.pod()) for tenant in tenants], timeout=60)
    assert [getattr(outcome, "files", outcome) for outcome in outcomes] == [{"f": b"v" * 2000}] * len(tenants)
    waits = []
    for tenant in tenants:
        times = [request["time"] for request in akeyless.requests(0, "auth", access_id=tenant.access_id)]
        assert len(times) == 4
        waits.append(times[-1] - times[0])
    # The back-off for transient errors would make the four tries within 1.4 s.
    assert 1.5 < sum(waits) / len(waits) < 11, waits


def test_a_wrong_key_does_not_get_its_access_id_blocked(akeyless, akeyless_tenant, driver, item):
    spc = {**akeyless_tenant.spc(("f", item), access_type="access_key"), "akeylessAccessKey": "wrong"}
    good = akeyless_tenant.spc(("f", item))
    outcomes = driver.mount_all([(spc, akeyless_tenant.pod()) for _ in range(110)], timeout=30)
    for outcome in outcomes:
        assert outcome.code == grpc.StatusCode.UNAUTHENTICATED or outcome.code not in NOT_FINAL, outcome
    for _ in range(10):
        driver.failure(spc, akeyless_tenant.pod())
    assert 1 <= akeyless.failed_logins() <= 4, akeyless.failed_logins()
    assert not akeyless.is_blocked(akeyless_tenant.access_id)
    # A login with the right key still succeeds.
    assert driver.mount(good, akeyless_tenant.pod()).files == {"f": b"v" * 2000}


def test_many_wrong_keys_of_one_access_id_do_not_get_it_blocked(akeyless, akeyless_tenant, driver, item):
    requests = [({**akeyless_tenant.spc(("f", item), access_type="access_key"), "akeylessAccessKey": f"wrong {i}"},
                 akeyless_tenant.pod()) for i in range(20)]
    assert not any(hasattr(outcome, "files") for outcome in driver.mount_all(requests, timeout=60))
    assert akeyless.failed_logins() <= 4
    assert not akeyless.is_blocked(akeyless_tenant.access_id)


def test_an_access_id_that_others_got_blocked_is_tried_again_when_the_block_ends(akeyless, akeyless_agent, akeyless_tenant, driver, item):
    akeyless.set(block_seconds=2)
    client = {"access-id": akeyless_tenant.access_id, "access-key": "wrong"}
    for _ in range(5):
        JsonClient(akeyless.url).request("POST", "/auth", client)
    assert akeyless.is_blocked(akeyless_tenant.access_id)
    spc = akeyless_tenant.spc(("f", item))
    akeyless_agent.wait_for(lambda: hasattr(driver.mount_all([(spc, akeyless_tenant.pod())])[0], "files"), "a successful login", 20)
    assert akeyless.failed_logins() <= 5 + 8


@pytest.mark.parametrize("type, extensions, command", [
    ("DYNAMIC_SECRET", {"nodekeep/type": "dynamic"}, "get-dynamic-secret-value"),
    ("PKI_CERT_ISSUER", {"nodekeep/type": "pki", "nodekeep/arguments": {"commonName": "web"}}, "get-pki-certificate")])
def test_what_is_made_anew_is_not_asked_for_twice_when_the_answer_is_lost(akeyless, akeyless_tenant, driver, type, extensions, command):
    akeyless.add_item("/made", type=type)
    akeyless.fault("reset", command=command, times=1)
    spc = akeyless_tenant.spc({"fileName": "f", "secretPath": "/made", **extensions})
    failed = driver.failure(spc, akeyless_tenant.pod())
    assert failed.code not in NOT_FINAL, failed
    assert akeyless.mints("/made") == 1
    # Kubelet's retry.
    assert driver.mount(spc, akeyless_tenant.pod()).files
    assert akeyless.mints("/made") == 2


# -- the gateway's cache


def test_a_stale_cache_does_not_pass_for_the_newest_version(akeyless, akeyless_agent, akeyless_tenant, driver):
    akeyless.set(cache="frozen")
    akeyless.add_item("/a", "old")
    spc, pod = akeyless_tenant.spc(("f", "/a"), **AT_ONCE), akeyless_tenant.pod()
    assert driver.mount(spc, pod).files == {"f": b"old"}
    akeyless.put("/a", "new")
    # describe-item reports version 2 while the cache still returns the value of version 1.
    mounted = akeyless_agent.wait_for(lambda: (m := driver.mount(spc, pod)).files == {"f": b"new"} and m, "the new value", 10)
    assert mounted.versions == {"f:/a": "2"}


def test_a_value_replaced_in_its_version_arrives_in_the_end(akeyless, akeyless_agent, akeyless_tenant, driver):
    akeyless.add_item("/a", "old")
    spc, pod = akeyless_tenant.spc(("f", "/a"), **AT_ONCE), akeyless_tenant.pod()
    assert driver.mount(spc, pod).files == {"f": b"old"}
    akeyless.advance(5)
    assert akeyless.put("/a", "corrected", overwrite=True) == 1
    akeyless_agent.wait_for(lambda: driver.mount(spc, pod).files == {"f": b"corrected"}, "the corrected value", 10)


def test_ignore_cache_goes_to_the_service(akeyless, akeyless_tenant, driver):
    akeyless.set(cache="frozen")
    akeyless.add_item("/a", "old")
    spc = akeyless_tenant.spc(("f", "/a"), **{"nodekeep/ignoreCache": "true"}, **AT_ONCE)
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"old"}
    akeyless.put("/a", "new")
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"new"}
    assert all(request["body"]["ignore-cache"] == "true" for request in akeyless.requests(0, "get-secret-value"))


def test_the_service_behind_the_gateway_is_down(akeyless, akeyless_agent, akeyless_tenant, driver):
    akeyless.add_item("/a", "v")
    spc, pod = akeyless_tenant.spc(("f", "/a"), **AT_ONCE), akeyless_tenant.pod()
    good = driver.mount(spc, pod)
    akeyless.set(saas_down=True)
    assert driver.mount(spc, pod).files == good.files
    assert akeyless_agent.mount_lines(pod)[-1]["outcome"] == "stale"


# -- several gateways


def test_the_next_gateway_is_asked_while_the_first_is_down(akeyless, akeyless_proxy, akeyless_tenant, akeyless_agent, driver, item):
    first = f"http://{akeyless_proxy.address}/api/v2"
    fallback = {"nodekeep/fallbackGateways": akeyless.url}
    spc = akeyless_tenant.spc(("f", item), gateway=first, **fallback, **AT_ONCE)
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"v" * 2000}
    akeyless_proxy.down()
    akeyless.put(item, "second")
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"second"}
    # The fallback is remembered: the next mount does not go back to the first gateway at once, although it is up again.
    akeyless_proxy.up()
    mark = akeyless.mark()
    akeyless.put(item, "third")
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"third"}
    assert {request["headers"]["host"] for request in akeyless.requests(mark)} == {f"127.0.0.1:{akeyless.port}"}


# -- transport


def test_plain_http_is_refused_unless_it_is_allowed(akeyless, start_agent, akeyless_tenant, item):
    driver = start_agent(providers=("akeyless",)).driver("akeyless")
    failed = driver.failure(akeyless_tenant.spc(("f", item)), akeyless_tenant.pod())
    assert "unencrypted" in failed.message and "nodekeep/allowPlainHttp" in failed.message
    assert akeyless.requests() == []
    spc = akeyless_tenant.spc(("f", item), **{"nodekeep/allowPlainHttp": "true"})
    assert driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"v" * 2000}


@pytest.fixture
def authority(tmp_path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "gateway-ca")


@pytest.fixture
def private_gateway(authority, tmp_path):
    with AkeylessGateway(tmp_path / "private", tls=authority.issue("gateway", ips=("127.0.0.1",))) as started:
        started.add_item("/a", "v")
        yield started


def test_a_private_authority_of_the_node_or_of_the_class(authority, private_gateway, start_agent, tmp_path):
    tenant = AkeylessTenant(private_gateway)
    trusting = start_agent(providers=("akeyless",), config={"providers": {"akeyless": {"caFile": str(authority.cert)}}})
    assert trusting.driver("akeyless").mount(tenant.spc(("f", "/a")), tenant.pod()).files == {"f": b"v"}
    plain = start_agent(providers=("akeyless",)).driver("akeyless")
    failed = plain.failure(tenant.spc(("f", "/a")), tenant.pod())
    assert "certificate" in failed.message.lower() and failed.code not in NOT_FINAL
    for parameters in ({"nodekeep/caBundle": authority.pem}, {"nodekeep/caFile": str(authority.cert)}):
        assert plain.mount(tenant.spc(("f", "/a"), **parameters), tenant.pod()).files == {"f": b"v"}
    other = CertificateAuthority(tmp_path / "other")
    assert "certificate" in plain.failure(
        tenant.spc(("f", "/a"), **{"nodekeep/caBundle": other.pem}), tenant.pod()).message.lower()


def test_a_storm_while_the_gateway_fails_by_halves(akeyless, akeyless_agent, akeyless_tenant, driver):
    for i in range(10):
        akeyless.add_item(f"/s{i}", f"value {i}")
    for kind, more in (("status", {"status": 502, "body": "<html>"}), ("cut", {}), ("reset", {}), ("delay", {"seconds": 0.3})):
        akeyless.fault(kind, toxicity=0.1, **more)
    stop, wrong, served = threading.Event(), [], [0]

    def live(number: int) -> None:
        pod = Pod("shop", f"pod-{number}", f"uid-{number}")
        spc = akeyless_tenant.spc(*[(f"f{i}", f"/s{i}") for i in range(10)], **AT_ONCE)
        while not stop.is_set():
            outcome = driver.mount_all([(spc, pod)], timeout=30)[0]
            if hasattr(outcome, "files"):
                served[0] += 1
                if outcome.files != {f"f{i}": f"value {i}".encode() for i in range(10)}:
                    wrong.append(outcome)
            elif outcome.code in NOT_FINAL:
                wrong.append(outcome)

    threads = [threading.Thread(target=live, args=(number,), daemon=True) for number in range(16)]
    for thread in threads:
        thread.start()
    stop.wait(8)
    stop.set()
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()
    assert wrong == [] and served[0] > 16
    assert akeyless_agent.running
