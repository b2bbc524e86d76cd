"""The driver door: the real binary as CSI driver, real tmpfs mounts, classes of a real API server, kubelet's calls as it makes them."""

import itertools
import os
import pathlib
import time
import uuid

import grpc
import pytest
import yaml

from bed.process import REPOSITORY
from harness.driver import Pod
from harness.kubelet import DRIVER, CallFailed, Kubelet

CRDS = REPOSITORY / "deploy" / "crds"


@pytest.fixture(scope="module", autouse=True)
def crds(cluster):
    if os.geteuid() != 0:
        pytest.fail("the driver door mounts: run this as root", pytrace=False)
    for path in sorted(CRDS.glob("*.yaml")):
        reply = cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                                yaml.safe_load(path.read_text()))
        assert reply.ok or reply.status == 409, reply.text
    cluster._wait_for(lambda: cluster.request("GET", "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses").ok,
                      "the class resource")


class Store:
    """The dev provider's store: a YAML file that a test may edit."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.secrets: dict = {}

    def put(self, **values) -> None:
        self.secrets.update({name: {"value": value} for name, value in values.items()})
        fresh = self.path.with_suffix(".new")
        fresh.write_text(yaml.safe_dump({"secrets": self.secrets}))
        fresh.rename(self.path)


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "store.yaml")
    made.put(user="alice", password="first")
    return made


@pytest.fixture
def door(start_agent, cluster, kubelet, store):
    """An agent that is the CSI driver of `kubelet`, which has taken it in; serves the dev store."""
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet,
                        config={"providers": {"dev": {"path": str(store.path)}}})
    kubelet.register()
    return agent


class Classes:
    def __init__(self, cluster, namespace: str):
        self._cluster = cluster
        self.namespace = namespace
        self._path = f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{namespace}/secretproviderclasses"

    def create(self, name: str = "app", provider: str = "dev", parameters: dict | None = None, **spec) -> str:
        if parameters is None:
            parameters = {"objects": yaml.safe_dump([{"objectName": "user"}, {"objectName": "password"}])}
        self._cluster.must("POST", self._path, {
            "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": name},
            "spec": {"provider": provider, "parameters": parameters, **spec}})
        return name

    def delete(self, name: str) -> None:
        self._cluster.must("DELETE", f"{self._path}/{name}")


@pytest.fixture
def classes(cluster, namespace) -> Classes:
    return Classes(cluster, namespace)


_pods = itertools.count(1)


def a_pod(namespace: str) -> Pod:
    return Pod(namespace, f"web-{next(_pods)}", str(uuid.uuid4()))


def entries(volume) -> list:
    return sorted(path.name for path in volume.target.iterdir() if not path.name.startswith("..")) \
        if volume.target.exists() else []


def test_kubelet_is_told_who_the_driver_is_and_where(door, kubelet):
    told = kubelet.register()
    assert told == {"type": "CSIPlugin", "name": DRIVER, "endpoint": str(kubelet.csi_socket), "versions": ["1.0.0"],
                    "node": "node-of-the-integration-tests"}
    assert kubelet.call("Identity", "GetPluginInfo").name == DRIVER
    assert kubelet.call("Identity", "Probe").ready.value
    assert door.http("/readyz")[0] == 200


def test_a_first_volume(door, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    assert entries(volume) == ["password", "user"]
    assert volume.read("user") == "alice"
    assert volume.mounted
    assert {"nosuid", "nodev", "noexec"} <= volume.mount_options
    assert volume.target.stat().st_mode & 0o7777 == 0o755
    kubelet.unpublish(volume)
    assert not volume.target.exists()
    kubelet.unpublish(volume)
