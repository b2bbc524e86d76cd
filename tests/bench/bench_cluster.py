"""Both CSI stacks on one test bed in one run: same pods, same kubelet binary, same OpenBao; only one stack is up at a time.

    make bench-cluster    as root; needs the tools of tests/tools and the release build

floor     the pods without a volume
tmpfs     the pods with an in-memory emptyDir, made by kubelet itself: the cost of a volume without a CSI driver
upstream  secrets-store-csi-driver 1.6.0 and its registrar, with nodekeep as the provider: the vendor's provider is not available
          here, so its memory and its backend reads are the recorded ones of docs/benchmarks.md
nodekeep  the agent as the CSI driver

Each pod has one volume of three secrets, one of them mirrored into a Kubernetes Secret. "At rest" begins a minute after the last
pod runs, when every volume has been republished.
"""

import argparse
import dataclasses
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests" / "integration"), str(REPOSITORY / "tests" / "cluster")]

import driver_agent  # noqa: E402
from bed import upstream_driver  # noqa: E402
from bed.kubernetes_bed import KubernetesBed  # noqa: E402
from bed.node import Node  # noqa: E402
from driver_agent import DriverAgent  # noqa: E402
from harness.agent import Agent  # noqa: E402
from harness.tenant import Tenant  # noqa: E402
from workload import class_manifest, csi_volume, pod_spec  # noqa: E402

# The whole upstream stack with the vendor's provider, measured earlier on this test bed.
RECORDED = {"apply_s": 22.3, "publish_p50_s": 8.3, "publish_max_s": 16.8, "memory_mb": 120.0, "api": 788, "reads": 762, "cpu_s": 3.0}
POLL = "30s"
SECRETS = 3
TMPFS = {"name": "secrets", "emptyDir": {"medium": "Memory"}}
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Figures:
    apply_s: float
    publish_p50_s: float
    publish_max_s: float
    memory_mb: float
    api: int
    reads: int
    cpu_s: float


def rss_megabytes(pid: int) -> float:
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) / 1024


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def publish_seconds(log: str) -> list[float]:
    """Sorted time to the first successful publish per volume: from kubelet's first NodePublish call to its first success."""
    begun, took = {}, {}
    for line in log.splitlines():
        call = re.match(r"[IEW]\d{4} (\d\d):(\d\d):(\d\d\.\d+)", line)
        if not call or "NodePublish" not in line:
            continue
        target = re.search(r"/pods/([0-9a-f-]{36})/volumes/kubernetes.io~csi/", line)
        if not target:
            continue
        hours, minutes, seconds = call.groups()
        now = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if "calling NodePublishVolume rpc" in line:
            begun.setdefault(target.group(1), now)
        elif "successfully requested NodePublish" in line:
            took.setdefault(target.group(1), now - begun[target.group(1)])
    return sorted(took.values())


class Bench:
    def __init__(self, bed: KubernetesBed, tenant: Tenant, pods: int, rest: int):
        self._bed = bed
        self._tenant = tenant
        self._pods = pods
        self._rest = rest

    def apply(self, node: Node, volumes: list) -> float:
        """Seconds from `kubectl apply` of all pods until all run."""
        namespace = self._tenant.namespace
        manifests = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"web-{i}", "namespace": namespace},
                      "spec": pod_spec(node, volumes, service_account=self._tenant.account)} for i in range(self._pods)]
        began = time.monotonic()
        self._bed.kubectl.apply(manifests)
        while True:
            listed = self._bed.cluster.must("GET", f"/api/v1/namespaces/{namespace}/pods?resourceVersion=0")["items"]
            if sum(pod["status"].get("phase") == "Running" for pod in listed) == self._pods:
                return time.monotonic() - began
            if time.monotonic() - began > 300:
                sys.exit(f"bench: not all pods of {node.name} run after 300 s")
            time.sleep(0.1)

    def clear(self, node: Node) -> None:
        self._bed.kubectl.run("delete", "pods", "--all", "-n", self._tenant.namespace, "--wait=false")
        node.wait_until_empty(180)

    def floor(self, node: Node, what: str, volumes: list) -> float:
        say(f"{self._pods} pods {what} on {node.name}")
        took = self.apply(node, volumes)
        self.clear(node)
        return took

    def stack(self, node: Node, pids: list, user: str) -> Figures:
        say(f"{self._pods} pods with a volume on {node.name}")
        took = self.apply(node, [csi_volume("bench")])
        say(f"all run after {took:.1f} s; settling for a minute")
        time.sleep(60)
        mark, requests = self._bed.openbao.audit.mark(), self._requests(user)
        cpu = sum(map(cpu_seconds, pids))
        say(f"{self._rest} s at rest")
        time.sleep(self._rest)
        publishes = publish_seconds(node.kubelet_log.read_text(errors="replace"))
        figures = Figures(
            apply_s=took, publish_p50_s=statistics.median(publishes), publish_max_s=publishes[-1],
            memory_mb=sum(map(rss_megabytes, pids)), api=self._requests(user) - requests,
            reads=self._bed.openbao.audit.count(mark, "secret/data/", "read"), cpu_s=sum(map(cpu_seconds, pids)) - cpu)
        self.clear(node)
        return figures

    def _requests(self, user: str) -> int:
        """Number of API requests of that service account so far."""
        time.sleep(1.5)  # the log is written in batches of a second
        needle = f'"username":"system:serviceaccount:kube-system:{user}"'
        with open(self._bed.cluster.audit_log, encoding="utf-8") as log:
            return sum(needle in line for line in log)


def measure(nodekeep: pathlib.Path, pods: int, rest: int, directory: pathlib.Path) -> list:
    config = {"policy": {"refreshAfter": POLL}}
    with KubernetesBed(("node1", "node2"), audit=True, kubelet_verbosity=4) as bed:
        bed.cluster.create_namespace("bench")
        tenant = Tenant(bed.cluster, bed.openbao, "bench", "web", "bench", token_ttl="1h")
        for i in range(SECRETS):
            bed.openbao.put_secret(f"bench/s{i}", {"k": f"value {i}"})
        bed.kubectl.apply(class_manifest(
            "bench", "bench", "vault", tenant.spc(*[(f"object-{i}", f"secret/data/bench/s{i}", "k") for i in range(SECRETS)]),
            [{"secretName": "mirrored", "type": "Opaque", "data": [{"objectName": "object-0", "key": "k"}]}]))
        bench = Bench(bed, tenant, pods, rest)
        first, second = bed.nodes.values()
        floor = statistics.mean(bench.floor(node, "without a volume", []) for node in (first, second))
        tmpfs = statistics.mean(bench.floor(node, "with an empty volume in memory", [TMPFS]) for node in (first, second))
        with Agent(nodekeep, directory / "provider", config=config) as provider, \
             upstream_driver.UpstreamDriver(bed.cluster, first, provider.provider_dir, directory / "upstream",
                                            poll_interval=POLL) as driver:
            upstream = bench.stack(first, driver.pids, upstream_driver.ACCOUNT)
        with DriverAgent(nodekeep, directory / "agent", bed, second, config=config) as agent:
            ours = bench.stack(second, [agent.pid], driver_agent.ACCOUNT)
    interval = rest / float(POLL.rstrip("s"))

    def row(name: str, form: str, theirs: float, mine: float, recorded: float, against: float) -> list:
        return [name, form.format(theirs), form.format(recorded), form.format(mine), f"{mine / against:.2f}" if against else ""]

    return [
        ["measured", "upstream", "recorded, with the vendor's provider", "nodekeep", "nodekeep / upstream"],
        [f"{pods} pods without a volume: apply to all running", "", "", f"{floor:.1f} s", ""],
        [f"{pods} pods with kubelet's own empty volume in memory", "", "", f"{tmpfs:.1f} s, {tmpfs / floor:.2f} x", ""],
        row(f"{pods} pods with a volume: apply to all running", "{:.1f} s", upstream.apply_s, ours.apply_s, RECORDED["apply_s"],
            upstream.apply_s),
        ["  relative to no volume", f"{upstream.apply_s / floor:.2f} x", "", f"{ours.apply_s / floor:.2f} x", ""],
        ["  relative to kubelet's empty volume", f"{upstream.apply_s / tmpfs:.2f} x", "", f"{ours.apply_s / tmpfs:.2f} x", ""],
        row("NodePublishVolume: p50", "{:.3f} s", upstream.publish_p50_s, ours.publish_p50_s, RECORDED["publish_p50_s"],
            upstream.publish_p50_s),
        row("NodePublishVolume: slowest", "{:.3f} s", upstream.publish_max_s, ours.publish_max_s, RECORDED["publish_max_s"],
            upstream.publish_max_s),
        row("resident memory (upstream: driver and registrar only)", "{:.1f} MB", upstream.memory_mb, ours.memory_mb,
            RECORDED["memory_mb"], upstream.memory_mb),
        row(f"API-server requests in {rest} s at rest", "{:.0f}", upstream.api, ours.api, RECORDED["api"], upstream.api),
        row(f"backend reads in {rest} s at rest ({SECRETS} secrets, {interval:.0f} intervals)", "{:.0f}", upstream.reads, ours.reads,
            RECORDED["reads"], upstream.reads),
        row("CPU at rest, of one core", "{:.2%}", upstream.cpu_s / rest, ours.cpu_s / rest, RECORDED["cpu_s"] / 180,
            upstream.cpu_s / rest),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodekeep", type=pathlib.Path, default=REPOSITORY / "build/release/nodekeep")
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--rest", type=int, default=180, help="seconds to measure the stacks at rest")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nodekeep-bench-") as name:
        rows = measure(arguments.nodekeep.resolve(), arguments.pods, arguments.rest, pathlib.Path(name))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    main()
