"""The agent as the CSI driver of a node of the bed."""

import pathlib

import yaml

from bed.kubernetes_bed import KubernetesBed
from bed.node import DRIVER_NAME, Node
from bed.process import REPOSITORY
from harness.agent import Agent

ACCOUNT = "nodekeep"

# Rules that the chart grants only if enabled: for the start-up taint, and for tokens of volumes recovered after a restart.
_CHOSEN_RULES = [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
                 {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}]


def rules() -> list[dict]:
    """The rules of deploy/driver.yaml and of the options that the tests use, so that the agent runs with exactly these rights."""
    objects = list(yaml.safe_load_all((REPOSITORY / "deploy" / "driver.yaml").read_text()))
    bound = {made["roleRef"]["name"] for made in objects if made["kind"] == "ClusterRoleBinding"}
    return _CHOSEN_RULES + [rule for made in objects if made["kind"] == "ClusterRole" and made["metadata"]["name"] in bound
                           for rule in made["rules"]]


class DriverAgent(Agent):
    """Started once the driver is registered with kubelet. `foreign_dir`: the directory of other providers' sockets."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path, bed: KubernetesBed, node: Node, *,
                 config: dict | None = None, providers: tuple = ("vault",), foreign_dir: pathlib.Path | None = None):
        bed.cluster.grant("kube-system", ACCOUNT, rules())
        token = bed.cluster.mint_token("kube-system", ACCOUNT, None, seconds=86400)
        config = dict(config or {})
        if foreign_dir is not None:
            config["driver"] = {**config.get("driver", {}), "additionalProviderDirs": [str(foreign_dir)]}
        self._node = node
        super().__init__(binary, directory, config=config, providers=providers, node_name=node.name,
                         kubeconfig=bed.cluster.write_kubeconfig(f"{ACCOUNT}-{node.name}", token=token),
                         arguments=["--driver", "--kubelet-root", node.root])

    def start_without_kubelet(self, timeout: float = 40.0) -> None:
        """Like `start`, for a node whose kubelet is down: returns once the driver's sockets exist."""
        self._process.start()
        self._process.wait_until(lambda: self._node.registration_socket.exists() and self.admin_socket.exists(), timeout)

    def _serves(self) -> bool:
        return super()._serves() and DRIVER_NAME in self._node.drivers()
