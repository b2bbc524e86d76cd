"""64 tenants mount overlapping paths at once while the network fails: each is served only its own values."""

import json
import random
import threading
import time

import grpc
import pytest

from harness.driver import MountFailed, Pod
from harness.tenant import vault_class

TENANTS = 64
SECONDS = 20.0

# Permitted results of a mount while the backend is unreachable.
EXCUSED = (grpc.StatusCode.FAILED_PRECONDITION,)


class Crowd:
    """The tenants. Each has its own service account, policy, role and token.

    Paths overlap: t1 and t11 share a prefix, auth/token/lookup-self returns each login's own name, and cubbyhole/app contains a
    different value for each token.
    """

    def __init__(self, cluster, openbao, namespace: str, prefix: str, address: str):
        self.openbao = openbao
        self.prefix = prefix
        self.names = [f"t{i}" for i in range(TENANTS)]
        self._revisions = dict.fromkeys(self.names, 0)
        self.pods, self.by_account, self.by_token, self.tokens, self.foreign = {}, {}, {}, {}, {}
        for i, name in enumerate(self.names):
            cluster.create_service_account(namespace, name)
            openbao.write_policy(f"{prefix}-{name}", f'path "secret/data/{prefix}/{name}" {{ capabilities = ["read"] }}')
            openbao.kubernetes_role(f"{prefix}-{name}", service_accounts=[name], namespaces=[namespace],
                                    policies=[f"{prefix}-{name}"])
            self.rotate(name)
            made = cluster.create_pod(namespace, f"{name}-pod", name)
            self.pods[name] = Pod(namespace, f"{name}-pod", made["metadata"]["uid"], name,
                                  {"vault": cluster.mint_token(namespace, name, "vault", pod=made)})
            token = openbao.create_token(["default"])["client_token"]
            openbao.must("POST", "cubbyhole/app", {"k": self.value(name, 0)}, token=token)
            self.tokens[name] = {"token": token}
            policy = {"nodekeep/refreshAfter": "500ms"}
            self.by_account[name] = vault_class(
                address, f"{prefix}-{name}", ("own", f"secret/data/{prefix}/{name}", "k"),
                ("whoami", "auth/token/lookup-self", "meta"), **policy)
            self.by_token[name] = vault_class(address, None, ("own", "cubbyhole/app", "k"),
                                              **{"nodekeep/auth": "token"}, **policy)
            self.foreign[name] = vault_class(
                address, f"{prefix}-{name}", ("own", f"secret/data/{prefix}/{self.names[(i + 1) % TENANTS]}", "k"), **policy)

    def value(self, name: str, revision: int) -> str:
        return f"{self.prefix}/{name}/revision-{revision}/" + name * 200

    def rotate(self, name: str) -> None:
        self._revisions[name] += 1
        self.openbao.put_secret(f"{self.prefix}/{name}", {"k": self.value(name, self._revisions[name])})

    def is_own(self, name: str, contents: bytes) -> bool:
        text = contents.decode()
        revision = text.split("revision-")[1].split("/")[0] if "revision-" in text else "none"
        return revision.isdigit() and int(revision) <= self._revisions[name] and text == self.value(name, int(revision))


class Tally:
    def __init__(self):
        self._lock = threading.Lock()
        self.served = self.failed = self.denied = 0
        self.wrong: list[str] = []

    def add(self, *, served: int = 0, failed: int = 0, denied: int = 0, wrong: str | None = None) -> None:
        with self._lock:
            self.served += served
            self.failed += failed
            self.denied += denied
            if wrong:
                self.wrong.append(wrong)


def check(crowd: Crowd, name: str, kind: str, outcome, tally: Tally) -> None:
    if isinstance(outcome, MountFailed):
        if kind == "foreign" and outcome.code == grpc.StatusCode.PERMISSION_DENIED:
            tally.add(denied=1)
        elif outcome.code in EXCUSED:
            tally.add(failed=1)
        else:
            tally.add(wrong=f"{name} {kind}: {outcome}")
        return
    if kind == "foreign":
        tally.add(wrong=f"{name} was served {sorted(outcome.files)} of another tenant")
        return
    if not crowd.is_own(name, outcome.files["own"]):
        tally.add(wrong=f"{name} {kind} was served {outcome.files['own'][:60]!r}")
    if kind == "account" and json.loads(outcome.files["whoami"])["service_account_name"] != name:
        tally.add(wrong=f"{name} was served whoami {outcome.files['whoami']!r}")
    tally.add(served=len(outcome.files))


def faults(proxy, stop: threading.Event, chance: random.Random) -> None:
    """Repeatedly breaks the connection to OpenBao for 0.3 s and heals it for 1 s."""
    kinds = [lambda: proxy.reset(toxicity=0.5), lambda: proxy.cut_after(chance.randrange(3000), toxicity=0.5),
             lambda: proxy.delay(200, jitter=200), lambda: proxy.hang(200, toxicity=0.5), proxy.down,
             lambda: proxy.throttle(20)]
    while not stop.is_set():
        chance.choice(kinds)()
        stop.wait(0.3)
        proxy.heal()
        stop.wait(1.0)


def reads_cut(agent) -> float:
    """The number of reads that failed because of a fault, including those retried successfully."""
    return agent.metric("nodekeep_backend_reads_total", outcome="transient")


def test_64_tenants_are_never_mixed(start_agent, cluster, openbao, openbao_proxy, namespace, unique):
    crowd = Crowd(cluster, openbao, namespace, unique, f"http://{openbao_proxy.address}")
    # The per-backend rate limits are not under test.
    agent = start_agent(config={"fetch": {"ratePerSecond": 5000, "burst": 5000}}, log_level="error")
    driver = agent.driver()
    tally, stop = Tally(), threading.Event()

    def live(name: str) -> None:
        chance = random.Random(f"{name} of 64")
        pod = crowd.pods[name]
        while not stop.is_set():
            asked = [("account", driver.start(crowd.by_account[name], pod, timeout=30)),
                     ("token", driver.start(crowd.by_token[name], pod, secrets=crowd.tokens[name], timeout=30))]
            if chance.random() < 0.2:
                asked.append(("foreign", driver.start(crowd.foreign[name], pod, timeout=30)))
            for kind, call in asked:
                try:
                    outcome = driver.finish(call)
                except MountFailed as failed:
                    outcome = failed
                check(crowd, name, kind, outcome, tally)
            stop.wait(chance.random() * 0.3)

    # One mount each without faults, so that every tenant has cached values.
    for name in crowd.names:
        check(crowd, name, "account", driver.mount(crowd.by_account[name], crowd.pods[name]), tally)
    assert tally.wrong == [] and tally.served == 2 * TENANTS

    chance = random.Random(64)
    threads = [threading.Thread(target=live, args=(name,), daemon=True) for name in crowd.names]
    threads.append(threading.Thread(target=faults, args=(openbao_proxy, stop, chance), daemon=True))
    for thread in threads:
        thread.start()
    began = time.monotonic()

    def enough() -> bool:
        return tally.served > 20 * TENANTS and tally.denied > 0 and reads_cut(agent) > 0

    while not tally.wrong:
        elapsed = time.monotonic() - began
        # A fast machine may need longer until a fault hits a read, a slow one until every tenant was served.
        if elapsed > 4 * SECONDS or elapsed > SECONDS and enough():
            break
        crowd.rotate(chance.choice(crowd.names))
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join(40)
        assert not thread.is_alive()

    assert tally.wrong == []
    # Mounts went on, faults hit reads, and foreign secrets were denied.
    assert tally.served > 20 * TENANTS, vars(tally)
    assert reads_cut(agent) > 0, vars(tally)
    assert tally.denied > 0, vars(tally)
    assert agent.running
