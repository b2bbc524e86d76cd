"""The memory of volumes: one budget for the node, shared by namespaces. And where files are written: into the volume or nowhere."""

import itertools
import pathlib
import subprocess

import grpc
import pytest

from harness import protocol
from harness.driver import Pod
from harness.kubelet import DRIVER, CallFailed
from harness.mock_provider import NAME, ROTATED, MockProvider
from test_driver import Classes, classes, crds, store  # noqa: F401: fixtures

NODE = "node-of-the-integration-tests"
VALUE = "x" * 200_000  # 49 pages, 200,704 bytes


class Team:
    """A namespace with a class of one secret."""

    def __init__(self, cluster, namespace: str, kubelet):
        self._cluster = cluster
        self.namespace = namespace
        self._kubelet = kubelet
        self._numbers = itertools.count(1)
        Classes(cluster, namespace).create(parameters={"objects": "- objectName: user", "nodekeep/refreshAfter": "1s"})

    def volume(self):
        name = f"p{next(self._numbers)}"
        made = self._cluster.create_pod(self.namespace, name, node=NODE, volumes=[
            {"name": "secrets", "csi": {"driver": DRIVER, "readOnly": True, "volumeAttributes": {"secretProviderClass": "app"}}}])
        return self._kubelet.volume(Pod(self.namespace, name, made["metadata"]["uid"]), "app")


@pytest.fixture
def teams(cluster, unique, kubelet):
    names = [f"{unique}-greedy", f"{unique}-quiet"]
    for name in names:
        cluster.create_namespace(name)
    yield [Team(cluster, name, kubelet) for name in names]
    for name in names:
        cluster.delete_namespace(name)


@pytest.fixture
def small_node(kubelet, start_agent, cluster, store):
    """An agent whose volumes may take 1 MiB together, and whose namespaces half of that."""
    store.put(user=VALUE)
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet, config={
        "providers": {"dev": {"path": str(store.path)}}, "driver": {"volumesTotal": "1MiB"}})
    kubelet.register()
    return agent


def refusals(agent, team) -> float:
    return agent.metric("nodekeep_share_refusals_total", resource="volume_bytes", namespace=team.namespace)


def assert_refused(kubelet, team) -> None:
    volume = team.volume()
    failed = kubelet.failure(volume)
    assert failed.code == grpc.StatusCode.FAILED_PRECONDITION
    for text in (f'volumes of namespace "{team.namespace}"', "no memory for 206848 bytes more", "1048576 bytes at most",
                 "raise driver.volumesTotal"):
        assert text in failed.message
    assert not volume.mounted
    assert not volume.target.exists()


def test_a_namespace_gets_its_share_of_the_memory_for_volumes(small_node, kubelet, teams):
    greedy, quiet = teams
    held = [greedy.volume(), greedy.volume()]
    for volume in held:
        kubelet.publish(volume)
    assert_refused(kubelet, greedy)
    assert_refused(kubelet, greedy)
    assert refusals(small_node, greedy) == 2
    # The other namespace is served.
    kubelet.publish(quiet.volume())
    assert refusals(small_node, quiet) == 0

    # A killed agent leaves the files behind: they count again after its start.
    small_node.kill()
    small_node.start()
    kubelet.register()
    small_node.wait_for(lambda: len(small_node.status()["volumes"]) == 3, "the recovery", 20)
    assert_refused(kubelet, greedy)

    kubelet.unpublish(held[0])
    kubelet.publish(greedy.volume())
    assert_refused(kubelet, greedy)


def test_what_is_mounted_rotates_although_the_share_is_used_and_grows_only_within_it(small_node, kubelet, teams, store):
    greedy, _ = teams
    volumes = [greedy.volume(), greedy.volume()]
    for volume in volumes:
        kubelet.publish(volume)
    assert_refused(kubelet, greedy)

    def conditions() -> list:
        return [volume["condition"] for volume in small_node.status()["volumes"]]

    store.put(user="y" * 200_000)
    small_node.wait_for(lambda: [volume.read("user") for volume in volumes] == 2 * ["y" * 200_000],
                        lambda: f"the rotations: {conditions()}", 20)

    # Each would be more than the share together with the other.
    store.put(user="z" * 450_000)
    small_node.wait_for(lambda: all("driver.volumesTotal" in text for text in conditions()), "two failed refreshes", 20)
    assert all("the old set stays" in text for text in conditions())
    assert [volume.read("user") for volume in volumes] == 2 * ["y" * 200_000]
    kubelet.unpublish(volumes[0])
    small_node.wait_for(lambda: conditions() == ["up to date"] and volumes[1].read("user") == "z" * 450_000,
                        lambda: f"the rotation: {conditions()}", 20)


class UnmountingProvider(MockProvider):
    """Unmounts the volume while it is asked for new content, once."""

    unmount: pathlib.Path | None = None

    def _reply(self, pod_uid: str, objects: list):
        if self.unmount is not None:
            subprocess.run(["umount", "-l", self.unmount], check=True)
            self.unmount = None
        return super()._reply(pod_uid, objects)


class SelfWritingProvider(MockProvider):
    """Writes one file into the volume itself, of which the reply has only the version."""

    def Mount(self, request, context):  # noqa: N802
        (pathlib.Path(request.target_path) / "own").write_text(VALUE)
        reply = protocol.messages().MountResponse()
        reply.object_version.add(id="own", version="v1")
        return reply


@pytest.fixture
def start_with(kubelet, start_agent, cluster, store, tmp_path):
    """Starts an agent that also calls this provider of others."""
    def start(provider: MockProvider, **driver):
        agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet, config={
            "providers": {"dev": {"path": str(store.path)}}, "policy": {"refreshAfter": "1s"},
            "driver": {"additionalProviderDirs": [str(provider.socket.parent)], **driver}})
        kubelet.register()
        return agent

    return start


def test_nothing_is_written_to_the_disk_below_a_mount_that_went_away(start_with, kubelet, cluster, namespace, tmp_path_factory):
    with UnmountingProvider(tmp_path_factory.mktemp("p")) as provider:
        agent = start_with(provider)
        Classes(cluster, namespace).create("foreign", provider=NAME, parameters={"objects": "array:\n- |\n  objectName: foo\n"})
        made = cluster.create_pod(namespace, "web", node=NODE)
        volume = kubelet.volume(Pod(namespace, "web", made["metadata"]["uid"]), "foreign")
        kubelet.publish(volume)
        provider.rotated = True
        provider.unmount = volume.target
        agent.wait_for(lambda: any("no tmpfs is mounted on it" in line["error"] for line in agent.events("rotation failed")),
                       "the failed refresh", 20)
        assert not volume.mounted
        assert list(volume.target.iterdir()) == []
        kubelet.publish(volume)
        assert volume.mounted
        assert volume.read("foo") == ROTATED


def test_files_that_a_provider_writes_itself_count(start_with, kubelet, cluster, namespace, tmp_path_factory):
    with SelfWritingProvider(tmp_path_factory.mktemp("p")) as provider:
        agent = start_with(provider, volumesTotal="1MiB")
        Classes(cluster, namespace).create("foreign", provider=NAME, parameters={"objects": "own"})
        volumes = [kubelet.volume(Pod(namespace, f"web-{i}", f"uid-{i}"), "foreign") for i in range(3)]
        kubelet.publish(volumes[0])
        kubelet.publish(volumes[1])
        with pytest.raises(CallFailed, match="raise driver.volumesTotal"):
            kubelet.publish(volumes[2])
        assert not volumes[2].target.exists()
        assert agent.metric("nodekeep_share_refusals_total", resource="volume_bytes", namespace=namespace) == 1
