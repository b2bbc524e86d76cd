"""A real kubelet with a fake container runtime: volumes, plugins, pod tokens and pod states are handled by the real code."""

import json
import pathlib
import time

from bed import mounts
from bed.cluster import Cluster
from bed.json_client import JsonClient
from bed.process import BedError, Process, free_port, tool

# The name of the CSIDriver object, of the registration socket and of the directory of published volumes.
DRIVER_NAME = "secrets-store.csi.k8s.io"


class Node:
    """`root` is the kubelet's root directory, "/var/lib/kubelet" on a node. Its path must be short: socket paths are limited.

    `volume(pod uid)` is the directory that a container would see. Call bed.mounts.enter_own_namespace() first.
    """

    def __init__(self, cluster: Cluster, name: str, directory: pathlib.Path, *, sync_frequency: str = "1m",
                 verbosity: int = 2):
        self.name = name
        self.directory = directory
        self.root = directory / "root"
        self._cluster = cluster
        # The fake runtime reports an empty log path, so the pattern of log files that the kubelet removes matches the files of
        # its working directory: use an empty one.
        self._cwd = directory / "cwd"
        for made in (self.root, self._cwd):
            made.mkdir(parents=True, exist_ok=True)
        self._runtime_socket = f"unix://{directory / 'runtime.sock'}"
        self._health = JsonClient(f"http://127.0.0.1:{free_port()}")
        config, kubeconfig = self._write_config(sync_frequency), self._write_kubeconfig()
        self._runtime = Process("fake-runtime", [tool("fake-runtime"), self._runtime_socket], directory)
        self._kubelet = Process("kubelet", [
            tool("kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}", f"--hostname-override={name}",
            f"--root-dir={self.root}", f"--cert-dir={directory}", f"-v={verbosity}",
        ], directory, cwd=self._cwd)

    def _write_kubeconfig(self) -> pathlib.Path:
        certificate = self._cluster.ca.issue(f"system:node:{self.name}", organization="system:nodes")
        return self._cluster.write_kubeconfig(f"kubelet-{self.name}", certificate=certificate)

    def _write_config(self, sync_frequency: str) -> pathlib.Path:
        serving = self._cluster.ca.issue(self.name, dns=(self.name,), ips=("127.0.0.1",), name=f"kubelet-{self.name}")
        path = self.directory / "kubelet.json"
        path.write_text(json.dumps({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": self._runtime_socket, "imageServiceEndpoint": self._runtime_socket,
            "cgroupsPerQOS": False, "enforceNodeAllocatable": [], "failSwapOn": False, "localStorageCapacityIsolation": False,
            "podLogsDir": str(self.directory / "logs"), "volumePluginDir": str(self.directory / "volume-plugins"),
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "resolvConf": "", "evictionHard": {},
            "tlsCertFile": str(serving.cert), "tlsPrivateKeyFile": str(serving.key), "address": "127.0.0.1", "port": free_port(),
            "healthzBindAddress": "127.0.0.1", "healthzPort": int(self._health.url.rsplit(":", 1)[1]),
            # With the default limits, the kubelet needs a minute for 100 pods, which hides all differences. An event rate of 0
            # means the client's default of 5 per second: with many pods, events arrive minutes late.
            "registryPullQPS": 0, "serializeImagePulls": False, "kubeAPIQPS": 500, "kubeAPIBurst": 1000, "eventRecordQPS": 1000,
            "eventBurst": 2000, "maxPods": 250,
            # How often a pod is synced, and therefore how often its volumes are republished.
            "syncFrequency": sync_frequency,
        }, indent=2))
        return path

    # -- start and stop

    def start(self) -> None:
        """Returns once the node is ready for pods."""
        if not mounts.below(self.root):
            mounts.make_shared(self.root)
        self._runtime.start()
        self._runtime.wait_until(lambda: (self.directory / "runtime.sock").exists())
        self.start_kubelet()

    def start_kubelet(self) -> None:
        self._kubelet.start()
        self._kubelet.wait_until(lambda: self._health.request("GET", "/healthz").ok)
        self._kubelet.wait_until(self._ready)

    def kill_kubelet(self) -> None:
        """Leaves volumes mounted, as when a kubelet is replaced."""
        self._kubelet.kill()

    def stop(self) -> None:
        self._kubelet.kill()
        self._runtime.kill()
        mounts.unmount_below(self.root)

    def lose_volumes(self) -> None:
        """Unmounts in-memory volumes but keeps their directories, as a reboot does. The kubelet must be down."""
        if self._kubelet.running:
            raise BedError("a reboot ends the kubelet too: kill_kubelet() first")
        mounts.unmount_below(self.root / "pods")

    def wait_until_empty(self, timeout: float = 60.0) -> None:
        """Waits until the kubelet has removed every pod being deleted. If the driver stopped earlier, they would be stuck."""
        deadline = time.monotonic() + timeout
        while left := [entry.name for entry in (self.root / "pods").glob("*")]:
            if time.monotonic() > deadline:
                raise BedError(f"{self.name} still has the pods {left} after {timeout:.0f} s:\n{self._kubelet.log_tail()}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        conditions = self._cluster.must("GET", f"/api/v1/nodes/{self.name}")["status"].get("conditions", [])
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    # -- paths

    @property
    def kubelet_pid(self) -> int:
        return self._kubelet.pid

    @property
    def kubelet_log(self) -> pathlib.Path:
        return self._kubelet.log

    @property
    def driver_socket(self) -> pathlib.Path:
        return self.root / "plugins" / "csi-secrets-store" / "csi.sock"

    @property
    def registration_socket(self) -> pathlib.Path:
        return self.root / "plugins_registry" / f"{DRIVER_NAME}-reg.sock"

    def pod_directory(self, uid: str) -> pathlib.Path:
        return self.root / "pods" / uid

    def volume(self, uid: str, name: str = "secrets") -> pathlib.Path:
        return self.pod_directory(uid) / "volumes" / "kubernetes.io~csi" / name / "mount"

    def mounted(self, uid: str, name: str = "secrets") -> bool:
        return self.volume(uid, name) in mounts.below(self.root)

    # -- drivers

    def drivers(self) -> list[str]:
        """Names of the drivers registered with the kubelet."""
        reply = self._cluster.request("GET", f"/apis/storage.k8s.io/v1/csinodes/{self.name}")
        return [driver["name"] for driver in (reply.json["spec"].get("drivers") or [])] if reply.ok else []
