"""Many access ids at once: each tenant gets only its own values and logins, with the minimum number of requests."""

import random
import threading
import time

import grpc

from bed.akeyless import AkeylessGateway
from harness.akeyless import AkeylessTenant
from harness.driver import MountFailed, Pod

TENANTS = 64
SECONDS = 15.0


def test_a_storm_of_110_pods_costs_one_login_and_one_batch_for_each_access_id(akeyless, akeyless_agent, akeyless_driver):
    for i in range(10):
        akeyless.add_item(f"/shared/s{i}", f"value {i}")
    tenants = [AkeylessTenant(akeyless, account=f"team{n}", rules=[("/shared/*", "read")]) for n in range(5)]
    classes = [tenant.spc(*[(f"f{i}", f"/shared/s{i}") for i in range(10)]) for tenant in tenants]
    requests = [(classes[n % 5], tenants[n % 5].pod()) for n in range(110)]
    began = time.monotonic()
    outcomes = akeyless_driver.mount_all(requests)
    took = time.monotonic() - began
    for outcome in outcomes:
        assert not isinstance(outcome, MountFailed), outcome
        assert outcome.files == {f"f{i}": f"value {i}".encode() for i in range(10)}
    # Access ids may have different permissions, so nothing is shared between them. For each: one login, one list of the folder
    # (types and versions), one read of all values.
    assert akeyless.counts() == {"auth": 5, "list-items": 5, "get-secret-value": 5}
    assert akeyless.failed_logins() == 0
    print(f"110 pods x 10 secrets, 5 access ids: {took:.2f} s, {akeyless_agent.rss_kib() >> 10} MiB")
    assert took < 15

    mark = akeyless.mark()
    assert all(outcome.files for outcome in akeyless_driver.mount_all(requests))
    assert akeyless.counts(mark) == {}


class Crowd:
    """Tenants at two gateways. Paths overlap: /t1 and /t11 share a prefix, and both gateways have items of the same names. Each
    tenant has the same access id at both."""

    def __init__(self, gateways: list):
        self.names = [f"t{i}" for i in range(TENANTS)]
        self.gateways = gateways
        self.of = {}
        self.revisions = {}
        for name in self.names:
            for number, gateway in enumerate(gateways):
                gateway.add_item(f"/{name}/value", self.value(number, name, 0))
                # The same access id at both gateways; a login at one must not be used at the other.
                method = {"access_id": self.of[0, name].access_id} if number else {}
                tenant = AkeylessTenant(gateway, account=name, rules=[(f"/{name}/*", "read")], **method)
                self.of[number, name] = tenant
                self.revisions[number, name] = 0

    @staticmethod
    def value(number: int, name: str, revision: int) -> str:
        return f"gateway-{number}/{name}/revision-{revision}/" + name * 100

    def rotate(self, number: int, name: str) -> None:
        self.revisions[number, name] += 1
        self.gateways[number].put(f"/{name}/value", self.value(number, name, self.revisions[number, name]))

    def is_own(self, number: int, name: str, contents: bytes) -> bool:
        text = contents.decode()
        revision = text.split("revision-")[1].split("/")[0] if "revision-" in text else ""
        return revision.isdigit() and text == self.value(number, name, int(revision))


def test_64_access_ids_at_two_gateways_are_never_mixed(start_akeyless_agent, akeyless, toxiproxy, tmp_path):
    with AkeylessGateway(tmp_path / "second") as second:
        gateways = [akeyless, second]
        proxies = [toxiproxy.add(f"127.0.0.1:{gateway.port}") for gateway in gateways]
        crowd = Crowd(gateways)
        agent = start_akeyless_agent(config={"fetch": {"ratePerSecond": 5000, "burst": 5000}}, log_level="error")
        driver = agent.driver("akeyless")
        stop, lock, wrong, tally = threading.Event(), threading.Lock(), [], {"served": 0, "denied": 0, "failed": 0}

        def note(kind: str, outcome, number: int, name: str) -> None:
            with lock:
                if isinstance(outcome, MountFailed):
                    if kind == "foreign" and outcome.code == grpc.StatusCode.PERMISSION_DENIED:
                        tally["denied"] += 1
                    elif outcome.code == grpc.StatusCode.FAILED_PRECONDITION:
                        tally["failed"] += 1
                    else:
                        wrong.append(f"{name} {kind}: {outcome}")
                elif kind == "foreign":
                    wrong.append(f"{name} was served another tenant's {outcome.files}")
                elif not crowd.is_own(number, name, outcome.files["own"]):
                    wrong.append(f"{name} at gateway {number} was served {outcome.files['own'][:80]!r}")
                else:
                    tally["served"] += 1

        def live(i: int) -> None:
            name, chance = crowd.names[i], random.Random(i)
            pod = Pod("shop", f"{name}-0", f"uid-{name}", name)
            while not stop.is_set():
                number = chance.randrange(2)
                tenant, address = crowd.of[number, name], f"http://{proxies[number].address}/api/v2"
                kind, path = "own", f"/{name}/value"
                if chance.random() < 0.2:
                    kind, path = "foreign", f"/{crowd.names[(i + 1) % TENANTS]}/value"
                spc = tenant.spc(("own", path), gateway=address, **{"nodekeep/refreshAfter": "300ms"})
                note(kind, driver.mount_all([(spc, pod)], timeout=30)[0], number, name)
                stop.wait(chance.random() * 0.2)

        def fail() -> None:
            chance = random.Random(64)
            while not stop.is_set():
                proxy = chance.choice(proxies)
                chance.choice([lambda: proxy.reset(toxicity=0.5), lambda: proxy.cut_after(chance.randrange(2000), toxicity=0.5),
                               lambda: proxy.delay(200, jitter=200), lambda: proxy.hang(200, toxicity=0.5), proxy.down])()
                stop.wait(0.3)
                proxy.heal()
                stop.wait(0.7)

        threads = [threading.Thread(target=live, args=(i,), daemon=True) for i in range(TENANTS)]
        threads.append(threading.Thread(target=fail, daemon=True))
        for thread in threads:
            thread.start()
        chance, began = random.Random(1), time.monotonic()

        def reads_cut() -> float:
            return agent.metric("nodekeep_backend_reads_total", outcome="transient")

        def enough() -> bool:
            return tally["served"] > 10 * TENANTS and tally["denied"] > 0 and reads_cut() > 0

        while not wrong:
            elapsed = time.monotonic() - began
            # A slow machine needs longer until every tenant was served.
            if elapsed > 4 * SECONDS or elapsed > SECONDS and enough():
                break
            crowd.rotate(chance.randrange(2), chance.choice(crowd.names))
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

        assert wrong == []
        assert tally["served"] > 10 * TENANTS and tally["denied"] > 0, tally
        assert reads_cut() > 0
        for gateway in gateways:
            refused = gateway.failed_logins()
            assert refused == 0, f"{refused} logins were refused"
            # A read with another tenant's token would have been denied for this path.
            for request in gateway.requests(0, "get-secret-value"):
                if request["status"] == 200:
                    owner = next(name for name in crowd.names if crowd.of[0, name].access_id == request["access_id"])
                    assert request["body"]["names"] == [f"/{owner}/value"]
        for proxy in proxies:
            proxy.remove()
