"""The benchmark table: one run, everything on this machine, each figure next to its reference value.

    make bench            needs the tools of tests/tools (./test builds them) and the release build

(a) a bare gRPC echo on a unix socket, with a reply of the same size: the lower bound
(b) warm mounts of 10 secrets
(c) 110 pods x 10 secrets at once, one service account, cold and warm; reads and logins counted in OpenBao's audit log; then 110 pods
    that start within 4 s, when the cached values are too old for a pod that starts
(d) resident memory: idle, after the storm, with 10,000 cached secrets of 1 KiB
(e) 110 pods x 10 secrets of Akeyless at once over 5 access ids; requests counted by the gateway of tests/fakes
(f) templates: the engine and Go's text/template with sprig

The peer figures were measured on this test bed with the upstream driver, its registrar and vault provider 1.7.4
(method: docs/benchmarks.md).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "integration"))

from bed.akeyless import AkeylessGateway  # noqa: E402
from bed.cluster import Cluster  # noqa: E402
from bed.openbao import OpenBao  # noqa: E402
from bed.process import Process, tool  # noqa: E402
from bench_templates import measure_templates  # noqa: E402
from harness.agent import Agent  # noqa: E402
from harness.akeyless import AkeylessTenant  # noqa: E402
from harness.driver import attributes  # noqa: E402
from harness.tenant import Tenant  # noqa: E402

# The upstream stack on this test bed.
PEER = {"warm_p50_ms": 199.0, "storm_s": 20.0, "storm_p50_ms": 9000.0, "storm_p99_ms": 19700.0, "reads": 1100, "logins": 110,
        "memory_mb": 50.0}
CONFIG = {"fetch": {"ratePerSecond": 5000, "burst": 5000}, "policy": {"refreshAfter": "30m"}}
MANY, PER_CLASS, VALUE_BYTES = 10_000, 100, 1024
MAX_AGE_AT_START_S = 5  # the agent's default
START_BATCHES = 4  # one a second


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Load:
    def __init__(self, binary: pathlib.Path, directory: pathlib.Path):
        self._binary = binary
        self._directory = directory
        self._files = 0

    def call(self, socket, lines: list, callers: int, repeat: int) -> dict:
        self._files += 1
        requests = self._directory / f"requests-{self._files}"
        requests.write_text("\n".join(lines) + "\n")
        printed = subprocess.run([self._binary, "call", "--socket", socket, "--requests", requests, "--callers", str(callers),
                                  "--repeat", str(repeat)], check=True, capture_output=True, text=True).stdout
        result = json.loads(printed)
        if result["failed"]:
            sys.exit(f"bench: {result['failed']} of {result['calls']} calls failed: {result['first_error']}")
        return result

    def echo(self, reply_bytes: int, callers: int, repeat: int) -> dict:
        socket = self._directory / "echo.sock"
        server = Process("echo", [self._binary, "echo", "--socket", socket, "--reply-bytes", str(reply_bytes)], self._directory)
        server.start()
        try:
            server.wait_until(lambda: "ready" in server.log.read_text(), 10)
            self.call(socket, ["{}"], 1, 200)  # warm-up: the first calls set up the connection
            return self.call(socket, ["{}"], callers, repeat)
        finally:
            server.stop()


def megabytes(agent: Agent) -> float:
    return agent.rss_kib() / 1024


def counted(openbao, since) -> tuple[int, int]:
    return openbao.audit.count(since, "secret/data/", "read"), openbao.audit.logins(since)


def measure(nodekeep: pathlib.Path, load: Load, directory: pathlib.Path) -> list:
    rows = []

    def row(what: str, figure: str, against: str = "", ratio: float | None = None) -> None:
        rows.append((what, figure, against, "" if ratio is None else f"{ratio:.2f}x"))

    with Cluster(directory / "cluster") as cluster, OpenBao(directory / "openbao") as openbao:
        openbao.enable_kubernetes_auth(cluster)
        cluster.create_namespace("bench")
        tenant = Tenant(cluster, openbao, "bench", "web", "bench", token_ttl="1h")
        for i in range(10):
            openbao.put_secret(f"bench/s{i}", {"k": "v" * 100})
        spc = tenant.spc(*[(f"object-{i}", f"secret/data/bench/s{i}", "k") for i in range(10)])
        say("110 pods, each with its own token")
        storm = [attributes(spc, tenant.pod()) for _ in range(110)]
        starting = [attributes(spc, tenant.pod()) for _ in range(110)]

        with Agent(nodekeep, directory / "agent", config=CONFIG) as agent:
            time.sleep(2)
            idle = megabytes(agent)
            say("storm, cold")
            mark = openbao.audit.mark()
            cold = load.call(agent.socket(), storm, 110, 1)
            cold_reads, cold_logins = counted(openbao, mark)
            say("storm, warm")
            mark = openbao.audit.mark()
            warm = load.call(agent.socket(), storm, 110, 1)
            warm_reads, warm_logins = counted(openbao, mark)
            after_storm = megabytes(agent)
            say("110 pods that start within 4 s")
            time.sleep(MAX_AGE_AT_START_S + 1)
            mark = openbao.audit.mark()
            begun = time.monotonic()
            for batch in range(START_BATCHES):
                time.sleep(max(0.0, begun + batch - time.monotonic()))
                load.call(agent.socket(), starting[batch::START_BATCHES], 110, 1)
            start_s = time.monotonic() - begun
            start_reads, start_logins = counted(openbao, mark)
            say("warm mounts, 1 and 64 callers, and the echo")
            mounts, echoes = {}, {}
            for callers, repeat in ((1, 5000), (64, 20000)):
                load.call(agent.socket(), storm[:1], callers, 500)
                mounts[callers] = load.call(agent.socket(), storm[:1], callers, repeat)
                echoes[callers] = load.echo(mounts[callers]["reply_bytes"], callers, repeat)
        for callers in (1, 64):
            floor, ours = echoes[callers]["p50_ms"], mounts[callers]["p50_ms"]
            row(f"(a) bare gRPC echo, {callers} callers, p50", f"{floor:.3f} ms")
            row(f"(b) warm mount of 10 secrets, {callers} callers, p50", f"{ours:.3f} ms", f"floor (a) {floor:.3f} ms", ours / floor)
        row("(b) the same, 1 caller, against the peer", f"{mounts[1]['p50_ms']:.3f} ms", f"peer {PEER['warm_p50_ms']:.0f} ms",
            mounts[1]["p50_ms"] / PEER["warm_p50_ms"])
        row("(c) storm 110 x 10 cold: wall", f"{cold['wall_ms'] / 1000:.3f} s", f"peer {PEER['storm_s']:.1f} s",
            cold["wall_ms"] / 1000 / PEER["storm_s"])
        row("(c) storm cold: p50", f"{cold['p50_ms']:.1f} ms", f"peer {PEER['storm_p50_ms']:.0f} ms", cold["p50_ms"] / PEER["storm_p50_ms"])
        row("(c) storm cold: p99", f"{cold['p99_ms']:.1f} ms", f"peer {PEER['storm_p99_ms']:.0f} ms", cold["p99_ms"] / PEER["storm_p99_ms"])
        row("(c) storm cold: backend reads / logins", f"{cold_reads} / {cold_logins}", f"peer {PEER['reads']} / {PEER['logins']}",
            cold_reads / PEER["reads"])
        row("(c) storm warm: wall, p50, p99", f"{warm['wall_ms'] / 1000:.3f} s, {warm['p50_ms']:.1f} ms, {warm['p99_ms']:.1f} ms")
        row("(c) storm warm: backend reads / logins", f"{warm_reads} / {warm_logins}")
        row(f"(c) 110 pods that start within {start_s:.1f} s: backend reads / logins", f"{start_reads} / {start_logins}",
            "two per secret 20 / 0", start_reads / 20)
        row("(d) resident memory, idle", f"{idle:.1f} MB", f"peer {PEER['memory_mb']:.0f} MB", idle / PEER["memory_mb"])
        row("(d) resident memory, after the storm", f"{after_storm:.1f} MB", f"idle {idle:.1f} MB", after_storm / idle)

    # With in-memory storage, OpenBao's time per request grows with its number of secrets; with file storage it does not.
    with Cluster(directory / "cluster-many") as cluster, OpenBao(directory / "openbao-many", storage="file") as openbao:
        openbao.enable_kubernetes_auth(cluster)
        cluster.create_namespace("bench")
        tenant = Tenant(cluster, openbao, "bench", "web", "bench", token_ttl="1h")
        say(f"{MANY} secrets of {VALUE_BYTES} bytes")
        for i in range(MANY):
            openbao.put_secret(f"many/d{i // PER_CLASS}/s{i}", {"k": "x" * VALUE_BYTES})
            if i % 2500 == 0:
                say(f"  {i} written")
        pod = tenant.pod()
        lines = [attributes(tenant.spc(*[(f"o{i}", f"secret/data/many/d{i // PER_CLASS}/s{i}", "k")
                                         for i in range(first, first + PER_CLASS)]), pod)
                 for first in range(0, MANY, PER_CLASS)]
        with Agent(nodekeep, directory / "agent-many", config=CONFIG) as agent:
            load.call(agent.socket(), lines, 4, 1)
            agent.wait_for(lambda: agent.metric("nodekeep_cache_entries") == MANY, "the cache is full", 30)
            time.sleep(25)  # one upkeep round returns unused heap memory to the system
            full = megabytes(agent)
            held = agent.metric("nodekeep_cache_bytes") / 1e6
        row("(d) resident memory, 10,000 secrets of 1 KiB cached", f"{full:.1f} MB", f"payload {MANY * VALUE_BYTES / 1e6:.1f} MB, cached {held:.1f}",
            full / (MANY * VALUE_BYTES / 1e6))
    return rows


def measure_akeyless(nodekeep: pathlib.Path, load: Load, directory: pathlib.Path) -> list:
    """Access ids share no results, as their permissions may differ: each costs one login, one list of the folder, one read."""
    config = {**CONFIG, "providers": {"akeyless": {"allowPlainHttp": True}}}
    with AkeylessGateway(directory / "gateway") as gateway:
        for i in range(10):
            gateway.add_item(f"/bench/s{i}", "v" * 100)
        tenants = [AkeylessTenant(gateway, account=f"team{n}") for n in range(5)]
        classes = [tenant.spc(*[(f"object-{i}", f"/bench/s{i}") for i in range(10)]) for tenant in tenants]
        storm = [attributes(classes[n % 5], tenants[n % 5].pod()) for n in range(110)]
        with Agent(nodekeep, directory / "agent-akeyless", config=config, providers=("akeyless",)) as agent:
            say("Akeyless: storm, cold and warm")
            time.sleep(2)
            idle = megabytes(agent)
            cold = load.call(agent.socket("akeyless"), storm, 110, 1)
            reads, logins = gateway.reads(), gateway.logins()
            mark = gateway.mark()
            warm = load.call(agent.socket("akeyless"), storm, 110, 1)
            return [
                ("(e) Akeyless storm 110 x 10, 5 access ids, cold: wall, p50, p99",
                 f"{cold['wall_ms'] / 1000:.3f} s, {cold['p50_ms']:.1f} ms, {cold['p99_ms']:.1f} ms", "", ""),
                ("(e) storm cold: requests / logins", f"{reads} / {logins}", "fewest 10 / 5", f"{reads / 10:.2f}x"),
                ("(e) storm warm: wall, requests", f"{warm['wall_ms'] / 1000:.3f} s, {len(gateway.requests(mark))}", "", ""),
                ("(e) resident memory, after the storm", f"{megabytes(agent):.1f} MB", f"idle {idle:.1f} MB",
                 f"{megabytes(agent) / idle:.2f}x"),
            ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodekeep", type=pathlib.Path, default=REPOSITORY / "build/release/nodekeep")
    parser.add_argument("--load", type=pathlib.Path, default=REPOSITORY / "build/release/tests/bench/bench-load")
    parser.add_argument("--engine", type=pathlib.Path, default=REPOSITORY / "build/release/engine-batch")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nodekeep-bench-") as name:
        directory = pathlib.Path(name)
        load = Load(arguments.load.resolve(), directory)
        rows = measure(arguments.nodekeep.resolve(), load, directory) + measure_akeyless(
            arguments.nodekeep.resolve(), load, directory)
    say("templates")
    rows += measure_templates(arguments.engine.resolve(), tool("template-oracle"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    main()
