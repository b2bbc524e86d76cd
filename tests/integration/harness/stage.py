"""The stage of the tests with a hostile namespace: eight honest namespaces, a hostile one, and an agent within the memory limit
of the chart.

A test starts an attack, waits until it is seen to be in progress, and lets the honest namespaces work (`Stage.work`). Durations are
recorded, not judged: a slow machine is not a failure. What is judged is the order: the honest work ends before a request that
hangs at a hostile server does.
"""

import base64
import collections
import concurrent.futures
import dataclasses
import itertools
import os
import secrets
import threading
import time
import uuid

import yaml

from bed.process import REPOSITORY
from harness.agent import Agent
from harness.driver import Pod
from harness.hostile_server import FakeVault, HostileServer
from harness.kubelet import CallFailed, Kubelet, Volume
from harness.memory_limit import MemoryLimit
from harness.tenant import Tenant, vault_class

TEAMS = tuple(f"team-{i}" for i in range(1, 9))
EVIL = "team-evil"
REFUSALS = "nodekeep_share_refusals_total"

# Bounds on what one failed operation of a tenant may leave behind.
MAX_MESSAGE = 16 << 10
MAX_LOG_LINE = 32 << 10

# Seconds; longer than any test runs, so that only the agent ends the call.
HOSTILE_TIMEOUT = 3600

_numbers = itertools.count(1)
_API = "/apis/secrets-store.csi.x-k8s.io/v1"


def sized(short: int, whole: int) -> int:
    """The number for `./test`, or the one for `./test --hostile`."""
    return whole if is_whole() else short


def is_whole() -> bool:
    return os.environ.get("NODEKEEP_HOSTILE") == "whole"


def install_classes(cluster) -> None:
    for path in sorted((REPOSITORY / "deploy" / "chart" / "crds").glob("*.yaml")):
        reply = cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(path.read_text()))
        assert reply.ok or reply.status == 409, reply.text
    for resource in ("secretproviderclasses", "secretproviderclasspodstatuses"):
        Agent.wait_for(lambda: cluster.request("GET", f"{_API}/{resource}").ok, resource, 20)


def create_class(cluster, namespace: str, provider: str, parameters: dict) -> str | None:
    """Returns its name, which is unique; None if the API server refuses the class as invalid."""
    name = f"class-{next(_numbers)}"
    reply = cluster.request("POST", f"{_API}/namespaces/{namespace}/secretproviderclasses", {
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name},
        "spec": {"provider": provider, "parameters": parameters}})
    assert reply.ok or reply.status == 422, reply.text
    return name if reply.ok else None


class Team:
    """An honest namespace: one secret at the shared OpenBao."""

    def __init__(self, cluster, openbao, namespace: str):
        self.namespace = namespace
        self.seen: list[str] = []  # values and tokens, which no other namespace may see
        self._openbao = openbao
        self._cluster = cluster
        cluster.create_namespace(namespace)
        self._tenant = Tenant(cluster, openbao, namespace, "web", namespace)
        self.put(self.new_value())
        self.spc = create_class(cluster, namespace, "vault", self._tenant.spc(("value", f"secret/data/{namespace}/app", "k")))

    def new_value(self) -> str:
        value = f"value-of-{self.namespace}-{secrets.token_hex(8)}"
        self.seen.append(value)
        return value

    def put(self, value: str) -> None:
        self.value = value
        self._openbao.put_secret(f"{self.namespace}/app", {"k": value})

    def pod(self) -> Pod:
        pod = self._tenant.pod()
        self.seen += [pod.uid, *pod.tokens.values()]
        return pod

    def create_class(self, provider: str, parameters: dict) -> str:
        return create_class(self._cluster, self.namespace, provider, parameters)


class Teams:
    """All namespaces, for a whole run. `alone`: what the honest work took before the first attack."""

    def __init__(self, cluster, openbao):
        install_classes(cluster)
        self.cluster = cluster
        self.honest = [Team(cluster, openbao, name) for name in TEAMS]
        cluster.create_namespace(EVIL)
        self.evil_token = cluster.mint_token(EVIL, "default", "vault")
        cluster.create_service_account("kube-system", "nodekeep-agent")
        cluster.bind_cluster_role("nodekeep-agent", "cluster-admin", "kube-system", "nodekeep-agent")
        self.agent_token = cluster.mint_token("kube-system", "nodekeep-agent", None, seconds=86400)
        self.kubeconfig = cluster.write_kubeconfig("nodekeep-agent", token=self.agent_token)
        self.alone: dict[str, float] = {}


class SharedVault(FakeVault):
    """A server that honest and hostile classes use: the honest paths are answered at once, others as the test's `read` does."""

    def __init__(self, teams: Teams, read, **options):
        super().__init__(read, **options)
        self._teams = teams
        self.classes: dict[str, str] = {}

    def __enter__(self):
        super().__enter__()
        for team in self._teams.honest:
            self.put(f"honest/{team.namespace}", team.new_value())
            self.classes[team.namespace] = team.create_class("vault", vault_class(
                self.url, "web", ("value", f"honest/{team.namespace}", "k")))
        return self

    def put_of(self, team: Team, value: str) -> None:
        self.put(f"honest/{team.namespace}", value)


@dataclasses.dataclass
class Attack:
    """Publishes of hostile volumes, running in the background."""
    volumes: list
    futures: list

    def ended(self) -> list:
        """The outcomes so far: None, or the error."""
        return [future.result() for future in self.futures if future.done()]

    def outcomes(self, timeout: float = 300.0) -> list:
        """Waits for all of them."""
        concurrent.futures.wait(self.futures, timeout)
        return [future.result(timeout=0) for future in self.futures]

    def errors(self, timeout: float = 300.0) -> list[CallFailed]:
        return [outcome for outcome in self.outcomes(timeout) if outcome is not None]


class Stage:
    """A context manager around one agent. At its end: the agent was not killed, and no hostile server was shown anything."""

    def __init__(self, teams: Teams, agent: Agent, kubelet: Kubelet, limit: MemoryLimit, record):
        self.teams = teams
        self.agent = agent
        self.kubelet = kubelet
        self.limit = limit
        self.took: dict[str, float] = {}
        self._record = record
        self._servers: list[HostileServer] = []
        self._executors: list[concurrent.futures.ThreadPoolExecutor] = []
        self._attacks: list[Attack] = []
        self._pid = agent.pid
        self._volumes: dict[str, Volume] = {}

    def __enter__(self) -> "Stage":
        self.kubelet.register()
        self.agent.wait_for(lambda: self.agent.http("/readyz")[0] == 200, "readiness", 20)
        # Volumes from before the attack, whose upkeep and end it must not delay.
        self._volumes = {team.namespace: self._publish(team, team.spc) for team in self.teams.honest}
        if not self.teams.alone:
            self.work()
            self.teams.alone = self.took
        return self

    def __exit__(self, kind, *_) -> None:
        try:
            if kind is None:
                self.check_node()
        finally:
            for executor in self._executors:
                executor.shutdown(wait=False, cancel_futures=True)

    # -- the hostile namespace

    def watch(self, server):
        """Checks at the end what the hostile server was shown. Returns the server."""
        self._servers.append(server)
        return server

    def evil_class(self, parameters: dict, provider: str = "vault") -> str:
        name = self.try_evil_class(parameters, provider)
        assert name is not None, "the API server refused the class"
        return name

    def try_evil_class(self, parameters: dict, provider: str) -> str | None:
        """None if the API server refuses it."""
        return create_class(self.teams.cluster, EVIL, provider, parameters)

    def evil_volume(self, spc: str, **options) -> Volume:
        pod = Pod(EVIL, f"evil-{next(_numbers)}", str(uuid.uuid4()), tokens={"vault": self.teams.evil_token})
        return self.kubelet.volume(pod, spc, **options)

    def attack(self, volumes: list) -> Attack:
        """Publishes all volumes at once, and returns before that is done."""
        executor = concurrent.futures.ThreadPoolExecutor(len(volumes))
        self._executors.append(executor)
        made = Attack(volumes, [executor.submit(self._failure_of, volume) for volume in volumes])
        self._attacks.append(made)
        return made

    def publish(self, volume: Volume) -> CallFailed | None:
        """One hostile publish; returns its error."""
        return self.attack([volume]).outcomes()[0]

    def _failure_of(self, volume: Volume) -> CallFailed | None:
        assert self.agent.running, "the agent has ended"
        try:
            self.kubelet.publish(volume, timeout=HOSTILE_TIMEOUT)
        except CallFailed as failed:
            return failed
        return None

    # -- the honest namespaces

    def work(self, shared: SharedVault | None = None) -> None:
        """Each honest namespace starts a pod, has kubelet repeat its publish, changes its secret, sees the change in its volumes,
        and ends a pod; meanwhile the agent's health is asked. With `shared`, the secrets are those of that server. Fills `took`.
        """
        began = time.monotonic()
        pods = {team.namespace: team.pod() for team in self.teams.honest}
        slowest: collections.defaultdict = collections.defaultdict(float)
        lock = threading.Lock()

        def step(name: str, action):
            assert self.agent.running, "the agent has ended"
            start = time.monotonic()
            result = action()
            with lock:
                slowest[name] = max(slowest[name], time.monotonic() - start)
            return result

        def of(team: Team) -> None:
            spc = shared.classes[team.namespace] if shared else team.spc
            value = shared.values[f"honest/{team.namespace}"] if shared else team.value
            volume = self.kubelet.volume(pods[team.namespace], spc)
            step("mount", lambda: self.kubelet.publish(volume, timeout=60))
            assert volume.read("value") == value
            step("repeat", lambda: self.kubelet.publish(volume, timeout=60))
            value = team.new_value()
            volumes = [volume]
            if shared:
                shared.put_of(team, value)
            else:
                team.put(value)
                volumes.append(self._volumes[team.namespace])
            step("refresh", lambda: self.agent.wait_for(
                lambda: all(each.read("value") == value for each in volumes), f"a refresh of {team.namespace}", 60, 0.02))
            step("unpublish", lambda: self.kubelet.unpublish(volumes[-1]))
            assert not volumes[-1].mounted
            if not shared:
                self._volumes[team.namespace] = volume

        with concurrent.futures.ThreadPoolExecutor(len(TEAMS)) as pool:
            done = [pool.submit(of, team) for team in self.teams.honest]
            step("health", lambda: self.check_health())
            for each in done:
                each.result()
        self.took = {**slowest, "all": time.monotonic() - began}
        self._report()

    def check_health(self) -> None:
        for path in ("/healthz", "/readyz"):
            assert self.agent.http(path)[0] == 200, path
        self.agent.cli("healthcheck")  # over the admin socket

    def _publish(self, team: Team, spc: str) -> Volume:
        volume = self.kubelet.volume(team.pod(), spc)
        self.kubelet.publish(volume)
        return volume

    def _report(self) -> None:
        for name, seconds in self.took.items():
            alone = self.teams.alone.get(name)
            ratio = f", {seconds / alone:.1f} times what it takes alone" if alone else ""
            self._record(f"{name}_seconds", f"{seconds:.3f}")
            print(f"{name}: {seconds:.3f} s{ratio}")

    # -- the node

    def refusals(self, **labels) -> float:
        """Counted for the hostile namespace."""
        return self.agent.metric(REFUSALS, namespace=EVIL, **labels)

    def log_bytes(self) -> int:
        return self.agent.log_path.stat().st_size

    def check_node(self) -> None:
        peak = self.limit.peak()
        if peak is not None:
            self._record("peak_mebibytes", f"{peak / 2**20:.0f}")
            print(f"memory: at most {peak / 2**20:.0f} of {self.limit.limit / 2**20:.0f} MiB")
        assert self.limit.kills() == 0, "the agent was killed because it used more memory than the chart allows"
        assert self.agent.running and self.agent.pid == self._pid, "the agent has ended"
        longest = max(map(len, self.agent.log_path.read_bytes().splitlines()), default=0)
        assert longest <= MAX_LOG_LINE, f"a line of the log has {longest} bytes"
        errors = [outcome.message for attack in self._attacks for outcome in attack.ended() if outcome is not None]
        longest = max(map(len, errors), default=0)
        assert longest <= MAX_MESSAGE, f"an error of a hostile pod has {longest} characters"
        self.check_shown(b"\n".join(server.received() for server in self._servers), "a hostile server")
        self.check_shown("\n".join(errors).encode(), "an error of a hostile pod")
        assert self.agent.metric("nodekeep_internal_errors_total") == 0, "an exception in the agent: see its log"

    def check_shown(self, text: bytes, to: str) -> None:
        """Nothing of the node and of the honest namespaces is in `text`."""
        known = {"the agent": [self.teams.agent_token], **{team.namespace: team.seen for team in self.teams.honest}}
        for owner, needles in known.items():
            for needle in needles:
                for form in (needle.encode(), base64.b64encode(needle.encode())):
                    assert form not in text, f"{to} was shown something of {owner}: {needle[:40]}"
