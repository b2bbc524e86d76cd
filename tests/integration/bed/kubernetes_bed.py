"""The whole test bed: a control plane, kubelets and OpenBao. Starts in seconds and is cleaned up however the run ends."""

import fcntl
import os
import pathlib
import shutil
import tempfile

from bed import mounts
from bed.cluster import Cluster
from bed.kubectl import Kubectl
from bed.node import DRIVER_NAME, Node
from bed.openbao import OpenBao
from bed.process import REPOSITORY

_PREFIX = "nodekeep-bed-"

# Controllers of pod owners, and the one that aggregates cluster roles by label.
_CONTROLLERS = ("deployment-controller", "replicaset-controller", "clusterrole-aggregation-controller")


class KubernetesBed:
    """`cluster`, `nodes` (by name), `openbao`, `kubectl`; files and logs below `directory`.

    Everything runs in a private mount namespace, which the calling thread enters and does not leave; the processes end with the
    process that started them. A killed run therefore leaves only files, which the next run removes.
    """

    def __init__(self, node_names: tuple = ("node1",), *, sync_frequency: str = "1m", audit: bool = False,
                 kubelet_verbosity: int = 2, audiences: tuple = ("vault",)):
        self._node_names = node_names
        self._node_options = {"sync_frequency": sync_frequency, "verbosity": kubelet_verbosity}
        self._audit = audit
        self._audiences = audiences
        self.nodes: dict[str, Node] = {}

    def __enter__(self) -> "KubernetesBed":
        mounts.enter_own_namespace()
        sweep()
        # Below /tmp even if TMPDIR is set: the path of a socket has 107 bytes at most.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
        self._lock = _lock(self.directory)
        self.cluster = Cluster(self.directory / "cluster", more_controllers=_CONTROLLERS, audit=self._audit)
        self.openbao = OpenBao(self.directory / "openbao")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        self.cluster.start()
        self.kubectl = Kubectl(self.cluster.kubeconfig, self.directory)
        for name in self._node_names:
            self.nodes[name] = Node(self.cluster, name, self.directory / name, **self._node_options)
            self.nodes[name].start()
        self._install_objects()
        self.openbao.start()
        self.openbao.enable_kubernetes_auth(self.cluster)
        self.openbao.enable_approle()

    def _install_objects(self) -> None:
        self.kubectl.run("apply", "-f", REPOSITORY / "deploy" / "chart" / "crds", "-f", REPOSITORY / "deploy" / "csidriver.yaml")
        self.kubectl.run("patch", "csidriver", DRIVER_NAME, "--type=merge", "--patch", '{"spec":{"tokenRequests":[%s]}}' % (
            ",".join('{"audience":"%s"}' % audience for audience in self._audiences)))
        self.kubectl.run("wait", "--for=condition=Established", "--timeout=30s", "-f", REPOSITORY / "deploy" / "chart" / "crds")

    def __exit__(self, *_) -> None:
        for node in self.nodes.values():
            node.stop()
        self.openbao.kill()
        self.cluster.stop()
        mounts.unmount_below(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)

    @property
    def node(self) -> Node:
        """The first node."""
        return self.nodes[self._node_names[0]]


def _lock(directory: pathlib.Path) -> int:
    """Locks the directory; the lock is released when its owner ends. Errors: BlockingIOError, FileNotFoundError."""
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def sweep() -> None:
    """Removes the files of killed runs. A directory without a lock file is being created, or empty."""
    for lock in pathlib.Path("/tmp").glob(f"{_PREFIX}*/lock"):
        try:
            held = _lock(lock.parent)
        except BlockingIOError:
            continue
        except FileNotFoundError:
            continue
        shutil.rmtree(lock.parent, ignore_errors=True)
        os.close(held)
