"""The agent as CSI driver: the real binary, real tmpfs mounts, classes of a real API server, kubelet's sequence of calls."""

import itertools
import os
import pathlib
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import yaml

from bed.process import REPOSITORY
from harness.agent import Agent
from harness.driver import Pod
from harness.kubelet import DRIVER, CallFailed

CRDS = REPOSITORY / "deploy" / "chart" / "crds"


@pytest.fixture(scope="module", autouse=True)
def crds(cluster):
    if os.geteuid() != 0:
        pytest.fail("the CSI driver mounts file systems: run this as root", pytrace=False)
    for path in sorted(CRDS.glob("*.yaml")):
        reply = cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                                yaml.safe_load(path.read_text()))
        assert reply.ok or reply.status == 409, reply.text
    for resource in ("secretproviderclasses", "secretproviderclasspodstatuses"):
        Agent.wait_for(lambda: cluster.request("GET", f"/apis/secrets-store.csi.x-k8s.io/v1/{resource}").ok, resource, 20)


class Store:
    """The dev provider's store, a YAML file."""

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
def agent(kubelet, start_agent, cluster, store):
    """An agent that is registered as the CSI driver of `kubelet` and serves the dev store."""
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


def test_kubelet_is_told_who_the_driver_is_and_where(agent, kubelet):
    told = kubelet.register()
    assert told == {"type": "CSIPlugin", "name": DRIVER, "endpoint": str(kubelet.csi_socket), "versions": ["1.0.0"],
                    "node": "node-of-the-integration-tests"}
    assert kubelet.call("Identity", "GetPluginInfo").name == DRIVER
    assert kubelet.call("Identity", "Probe").ready.value
    # NotifyRegistrationStatus returns before the agent has processed it, and the node's pods may not be listed yet.
    Agent.wait_for(lambda: agent.http("/readyz")[0] == 200, "readiness", 10)


def test_an_agent_that_waits_for_kubelet_is_alive_and_not_ready(kubelet, start_agent, cluster):
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet)
    assert agent.cli("healthcheck", "--live").stdout == "ok\n"
    assert agent.http("/healthz") == (200, "ok\n")
    waiting = agent.cli("healthcheck", check=False)
    assert waiting.returncode == 1 and "not ready" in waiting.stderr
    assert agent.http("/readyz")[0] == 503


def test_a_first_volume_and_its_end(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    assert entries(volume) == ["password", "user"]
    assert volume.read("user") == "alice"
    assert volume.mounted
    assert {"nosuid", "nodev", "noexec"} <= volume.mount_options
    assert volume.target.stat().st_mode & 0o7777 == 0o755
    kubelet.publish(volume)
    kubelet.unpublish(volume)
    assert not volume.target.exists()
    kubelet.unpublish(volume)
    assert not volume.mounted
    assert agent.metric("node_publish_total", provider="dev") == 2
    assert agent.metric("node_unpublish_total") == 2


def test_fs_group_owns_the_files(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create(), group="4711")
    kubelet.publish(volume)
    stat = (volume.target / "user").stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (0, 4711, 0o644)


@pytest.mark.parametrize("missing, text", [
    ({"volume_capability": None}, "Volume capability missing in request"),
    ({"volume_id": ""}, "Volume ID missing in request"),
    ({"target_path": ""}, "Target path missing in request"),
    ({"volume_context": {}}, "Volume attributes missing in request"),
])
def test_a_publish_without_its_arguments_is_refused_in_upstreams_words(agent, kubelet, missing, text):
    fields = {"volume_id": "csi-1", "target_path": str(kubelet.root / "pods" / "x"), "volume_context": {"a": "b"},
              "volume_capability": {"mount": {}, "access_mode": {"mode": 1}}, "readonly": True, **missing}
    if fields["volume_capability"] is None:
        del fields["volume_capability"]
    with pytest.raises(CallFailed) as failed:
        kubelet.call("Node", "NodePublishVolume", **fields)
    assert (failed.value.code, failed.value.message) == (grpc.StatusCode.INVALID_ARGUMENT, text)


def test_failures_name_the_class_and_leave_nothing_behind(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), "nowhere")
    failed = kubelet.failure(volume)
    assert failed.message.startswith(f"failed to get secretproviderclass {namespace}/nowhere, error: ")
    assert "not found" in failed.message
    classes.create("no-provider", provider="")
    assert f"provider not set in {namespace}/no-provider" in kubelet.failure(
        kubelet.volume(a_pod(namespace), "no-provider")).message
    classes.create("no-parameters", parameters={})
    assert f"parameters not set in {namespace}/no-parameters" in kubelet.failure(
        kubelet.volume(a_pod(namespace), "no-parameters")).message
    classes.create("foreign", provider="not-here")
    assert 'provider not found: provider "not-here"' in kubelet.failure(kubelet.volume(a_pod(namespace), "foreign")).message
    assert "Readonly is not true in request" in kubelet.failure(
        kubelet.volume(a_pod(namespace), classes.create(), read_only=False)).message
    assert list(kubelet.root.glob("pods/*/volumes/*/*/mount")) == []
    # The class is created after the first publish of its pod.
    classes.create("nowhere")
    kubelet.publish(volume)
    assert volume.read("user") == "alice"


def test_rotation_needs_no_kubelet_and_asks_once_for_all(agent, kubelet, classes, namespace, store, cluster):
    parameters = {"objects": yaml.safe_dump([{"objectName": "user"}, {"objectName": "password"}]),
                  "nodekeep/refreshAfter": "2s"}
    classes.create("quick", parameters=parameters)
    volumes = [kubelet.volume(a_pod(namespace), "quick") for _ in range(10)]
    for volume in volumes:
        kubelet.publish(volume)
    store.put(password="second")
    agent.wait_for(lambda: all(volume.read("password") == "second" for volume in volumes), "the new password", 15)
    assert all(volume.read("user") == "alice" for volume in volumes)
    # A refresh is counted once its status object is written, after the files.
    agent.wait_for(lambda: agent.metric("rotation_reconcile_total", provider="dev", rotated="true") == 10, "ten refreshes", 15)
    assert agent.status()["volumes"][0]["condition"] == "up to date"


def test_a_refresh_by_hand_reaches_the_volumes_at_once(agent, kubelet, classes, namespace, store):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    store.put(password="second")
    agent.wait_for(lambda: agent.cli_json("refresh", "--all")["changed"] >= 1, "the new value in the cache", 10)
    agent.wait_for(lambda: volume.read("password") == "second", "the new password", 5)


def test_a_repeat_costs_no_call(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    reads = agent.metric("nodekeep_backend_reads_total")
    mounts = agent.metric("nodekeep_mounts_total")
    for _ in range(50):
        kubelet.publish(volume)
    assert agent.metric("nodekeep_backend_reads_total") == reads
    assert agent.metric("nodekeep_mounts_total") == mounts
    assert agent.metric("node_publish_total", provider="dev") == 51


def test_a_refresh_that_fails_keeps_the_volume_and_is_seen(agent, kubelet, classes, namespace):
    parameters = {"objects": yaml.safe_dump([{"objectName": "user"}]), "nodekeep/refreshAfter": "1s"}
    volume = kubelet.volume(a_pod(namespace), classes.create("quick", parameters=parameters))
    kubelet.publish(volume)
    classes.delete("quick")
    agent.wait_for(lambda: "failed to get secretproviderclass" in agent.status()["volumes"][0]["condition"], "the failure", 15)
    kubelet.publish(volume)
    assert volume.read("user") == "alice"
    stats = kubelet.call("Node", "NodeGetVolumeStats", volume_id=volume.id, volume_path=str(volume.target))
    assert stats.volume_condition.abnormal
    assert "rotation failing since" in stats.volume_condition.message
    assert agent.metric("rotation_reconcile_error_total", error_type="SecretProviderClassNotFound") >= 1
    assert agent.metric("nodekeep_volumes", standing="failing") == 1
    assert agent.metric("nodekeep_volumes", standing="current") == 0
    age = agent.metric("nodekeep_volume_oldest_content_seconds")
    assert age > 0
    agent.wait_for(lambda: agent.metric("nodekeep_volume_oldest_content_seconds") > age, "a growing age", 5)


def test_a_doubtful_class_is_told_once_to_its_users(agent, kubelet, classes, namespace, cluster):
    """An ignored parameter is mounted as upstream does, and is one event, on the first pod that mounts the class."""
    classes.create(parameters={"objects": "- {objectName: user, filePermission: 400}", "object": "x"})
    for _ in range(3):
        volume = kubelet.volume(a_pod(namespace), "app")
        kubelet.publish(volume)
        assert volume.read("user") == "alice"

    def warned() -> list:
        return [event for event in cluster.must("GET", f"/api/v1/namespaces/{namespace}/events")["items"]
                if event["reason"] == "SecretProviderClassWarning"]

    event, = agent.wait_for(warned, "an event", 20)
    assert event["type"] == "Warning" and event.get("count", 1) == 1
    assert event["message"].startswith(f"SecretProviderClass {namespace}/app: parameter objects: line 1, column ")
    assert "400 is a decimal number, the mode 0620" in event["message"] and "parameter object: is unknown" in event["message"]


def test_volume_stats_tell_what_a_volume_takes(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    stats = kubelet.call("Node", "NodeGetVolumeStats", volume_id=volume.id, volume_path=str(volume.target))
    usage = {entry.unit: entry for entry in stats.usage}
    assert usage[1].total == 8 << 20
    assert 0 < usage[1].used < 1 << 20
    assert usage[2].used > 0
    assert not stats.volume_condition.abnormal
    with pytest.raises(CallFailed) as failed:
        kubelet.call("Node", "NodeGetVolumeStats", volume_id="csi-1", volume_path="/some/path")
    assert failed.value.code == grpc.StatusCode.NOT_FOUND


def test_a_killed_agent_finds_its_volumes_again(agent, kubelet, classes, namespace, store, cluster):
    parameters = {"objects": yaml.safe_dump([{"objectName": "user"}]), "nodekeep/refreshAfter": "1s"}
    classes.create("quick", parameters=parameters)
    made = cluster.create_pod(namespace, "web", node="node-of-the-integration-tests", volumes=[
        {"name": "secrets", "csi": {"driver": DRIVER, "readOnly": True,
                                    "volumeAttributes": {"secretProviderClass": "quick"}}}])
    pod = Pod(namespace, "web", made["metadata"]["uid"])
    volume = kubelet.volume(pod, "quick")
    kubelet.publish(volume)
    agent.kill()
    store.put(user="bob")
    agent.start()
    # Before kubelet's first call.
    agent.wait_for(lambda: volume.read("user") == "bob", "the new value", 20)
    kubelet.register()
    kubelet.publish(volume)
    assert len(agent.status()["volumes"]) == 1
    kubelet.unpublish(volume)
    assert agent.status()["volumes"] == []


def test_a_kill_in_the_middle_of_a_first_write_is_repaired_by_the_next_publish(agent, kubelet, classes, namespace):
    """Prepares the state after a kill between mount and write: a mount without content."""
    volume = kubelet.volume(a_pod(namespace), classes.create())
    volume.target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(volume.target)], check=True)
    (volume.target / "..2026_01_31_12_00_00.1").mkdir()
    (volume.target / "..data_tmp").symlink_to("..2026_01_31_12_00_00.1")
    kubelet.publish(volume)
    assert entries(volume) == ["password", "user"]
    assert volume.read("user") == "alice"


def test_secrets_are_there_when_the_volume_is_answered(agent, kubelet, classes, namespace, cluster):
    classes.create("mirrored", secretObjects=[
        {"secretName": "login", "type": "Opaque", "labels": {"environment": "test"},
         "data": [{"objectName": "user", "key": "username"}]}])
    made = cluster.create_pod(namespace, "web", node="node-of-the-integration-tests")
    volume = kubelet.volume(Pod(namespace, "web", made["metadata"]["uid"]), "mirrored")
    kubelet.publish(volume)
    secret = cluster.must("GET", f"/api/v1/namespaces/{namespace}/secrets/login")
    assert secret["data"] == {"username": "YWxpY2U="}
    assert secret["metadata"]["labels"]["secrets-store.csi.k8s.io/managed"] == "true"
    assert secret["metadata"]["labels"]["environment"] == "test"
    [owner] = secret["metadata"]["ownerReferences"]
    assert owner["kind"] == "SecretProviderClassPodStatus"
    status = cluster.must("GET", f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{namespace}"
                                 f"/secretproviderclasspodstatuses/web-{namespace}-mirrored")
    assert [entry["id"] for entry in status["status"]["objects"]] == ["password", "user"]


def test_a_stop_gives_up_the_secrets_that_no_pod_needs_any_more(agent, kubelet, classes, namespace, cluster):
    volumes = {}
    for name in ("gone", "kept"):
        classes.create(name, secretObjects=[{"secretName": name, "type": "Opaque", "data": [{"objectName": "user", "key": "user"}]}])
        made = cluster.create_pod(namespace, f"web-{name}", node="node-of-the-integration-tests")
        volumes[name] = kubelet.volume(Pod(namespace, f"web-{name}", made["metadata"]["uid"]), name)
        kubelet.publish(volumes[name])
    kubelet.unpublish(volumes["gone"])
    path = f"/api/v1/namespaces/{namespace}/secrets"
    # The Secret is kept for a minute, for a replacement pod.
    assert cluster.request("GET", f"{path}/gone").ok
    assert agent.stop() == 0
    assert cluster.request("GET", f"{path}/gone").status == 404
    assert cluster.request("GET", f"{path}/kept").ok
    agent.start()
    kubelet.register()
    kubelet.unpublish(volumes["kept"])


def test_a_stop_takes_the_driver_back_from_kubelet_first(agent, kubelet, classes, namespace):
    volume = kubelet.volume(a_pod(namespace), classes.create())
    kubelet.publish(volume)
    assert agent.stop() == 0
    assert not kubelet.registration_socket.exists()
    assert not kubelet.csi_socket.exists()
    # The pod keeps its files.
    assert volume.read("user") == "alice"
    agent.start()
    kubelet.register()
    kubelet.unpublish(volume)


def test_a_refused_registration_is_offered_again(kubelet, start_agent, cluster, store):
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet,
                        config={"providers": {"dev": {"path": str(store.path)}}})
    kubelet.register(refuse="plugin already registered")
    agent.wait_for(lambda: "plugin already registered" in agent.http("/readyz")[1], "the refusal", 20)
    agent.wait_for(lambda: len(agent.events("offering the driver to kubelet")) == 2, "a second offer", 20)
    kubelet.register()
    agent.wait_for(lambda: agent.http("/readyz")[0] == 200, "readiness", 20)


def test_the_start_up_taint_goes_once_kubelet_knows_the_driver(kubelet, start_agent, cluster, store, unique):
    node = "node-of-the-integration-tests"
    cluster.must("POST", "/api/v1/nodes", {"metadata": {"name": node}, "spec": {"taints": [
        {"key": "secrets-store.csi.k8s.io/agent-not-ready", "effect": "NoSchedule"},
        {"key": "other", "value": "x", "effect": "NoExecute"}]}})
    try:
        agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet,
                            config={"providers": {"dev": {"path": str(store.path)}}})
        keys = lambda: {taint["key"] for taint in cluster.must("GET", f"/api/v1/nodes/{node}")["spec"]["taints"]}
        assert "secrets-store.csi.k8s.io/agent-not-ready" in keys()
        kubelet.register()
        agent.wait_for(lambda: "secrets-store.csi.k8s.io/agent-not-ready" not in keys(), "the removal of the taint", 10)
        assert "other" in keys()
    finally:
        cluster.must("DELETE", f"/api/v1/nodes/{node}")


def test_110_pods_at_once(agent, kubelet, classes, namespace):
    classes.create()
    volumes = [kubelet.volume(a_pod(namespace), "app") for _ in range(110)]
    began = time.monotonic()
    with ThreadPoolExecutor(110) as pool:
        list(pool.map(kubelet.publish, volumes))
    print(f"110 volumes in {time.monotonic() - began:.2f} s")
    assert all(volume.read("user") == "alice" for volume in volumes)
    with ThreadPoolExecutor(110) as pool:
        list(pool.map(kubelet.unpublish, volumes))
    assert not any(volume.mounted for volume in volumes)
