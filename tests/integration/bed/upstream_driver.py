"""The upstream secrets-store-csi-driver with its registrar, for comparison and as the driver of our provider."""

import pathlib

from bed.cluster import Cluster
from bed.json_client import JsonClient
from bed.node import DRIVER_NAME, Node
from bed.process import Process, free_port, tool

ACCOUNT = "secrets-store-csi-driver"

# The rules of its chart with rotation and mirroring enabled.
_RULES = [
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]},
    {"apiGroups": ["secrets-store.csi.x-k8s.io"], "resources": ["secretproviderclasses"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["secrets-store.csi.x-k8s.io"], "resources": ["secretproviderclasspodstatuses"],
     "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]},
    {"apiGroups": ["storage.k8s.io"], "resources": ["csidrivers"], "resourceNames": [DRIVER_NAME],
     "verbs": ["get", "list", "watch"]},
]


class UpstreamDriver:
    """Two processes, as in its DaemonSet. Rotation is on; a volume is refreshed once it is older than `poll_interval`."""

    def __init__(self, cluster: Cluster, node: Node, provider_dir: pathlib.Path, directory: pathlib.Path, *,
                 poll_interval: str = "1s"):
        directory.mkdir(parents=True, exist_ok=True)
        self._node = node
        cluster.grant("kube-system", ACCOUNT, _RULES)
        kubeconfig = cluster.write_kubeconfig(ACCOUNT, token=cluster.mint_token("kube-system", ACCOUNT, None, seconds=86400))
        self.metrics_address = f"127.0.0.1:{free_port()}"
        self.driver = Process("secrets-store-csi-driver", [
            tool("secrets-store-csi-driver"), f"--endpoint=unix://{node.driver_socket}", f"--nodeid={node.name}",
            f"--provider-volume={provider_dir}", f"--additional-provider-volume-paths={provider_dir}",
            f"--metrics-addr={self.metrics_address}", "--enable-secret-rotation=true",
            f"--rotation-poll-interval={poll_interval}", "-v=3",
        ], directory, env={"KUBECONFIG": str(kubeconfig)})
        self.registrar = Process("registrar", [
            tool("registrar"), f"--driver-name={DRIVER_NAME}", f"--endpoint={node.driver_socket}",
            f"--registration-socket={node.registration_socket}",
        ], directory)

    def __enter__(self) -> "UpstreamDriver":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once the driver is registered with the kubelet."""
        for socket in (self._node.driver_socket, self._node.registration_socket):
            socket.parent.mkdir(parents=True, exist_ok=True)
        self.driver.start()
        self.driver.wait_until(self._node.driver_socket.exists)
        before = self._registrations()
        self.registrar.start()
        self.registrar.wait_until(lambda: self._registrations() > before and DRIVER_NAME in self._node.drivers())

    def _registrations(self) -> int:
        return self.registrar.log.read_text().count("registered: true") if self.registrar.log.exists() else 0

    def stop(self) -> None:
        self.registrar.stop()
        self._node.registration_socket.unlink(missing_ok=True)
        # A graceful stop would wait for the kubelet to close its connection, which it does not.
        self.driver.kill()

    @property
    def pids(self) -> list[int]:
        return [self.driver.pid, self.registrar.pid]

    def metrics_text(self) -> str:
        return JsonClient(f"http://{self.metrics_address}").request("GET", "/metrics").text

    def log(self) -> str:
        return self.driver.log.read_text(errors="replace")
