"""The agent as the CSI driver of real kubelets, with a real OpenBao."""

import contextlib
import os
import signal
import time

import pytest
import yaml

from bed import mounts
from bed.process import BedError, wait_for
from driver_agent import DriverAgent
from mirrored import MirroredSecret
from workload import csi_volume

CONFIG = {"policy": {"refreshAfter": "1s", "serveStaleFor": "1h"}, "mountBudget": "5s"}


@pytest.fixture(scope="module")
def agents(bed, nodekeep_binary, tmp_path_factory):
    """One agent per node, by the node's name."""
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(DriverAgent(nodekeep_binary, tmp_path_factory.mktemp(name), bed, node, config=CONFIG))
                   for name, node in bed.nodes.items()}
        yield started
        for node in bed.nodes.values():
            node.wait_until_empty()


@pytest.fixture
def agent(agents, bed):
    """The driver of the first node."""
    return agents[bed.node.name]


@pytest.fixture
def web(workload, tenant, unique, agent, bed):
    """The class "web": one file, mirrored into the Secret "mirrored"; starts pods with a volume of it."""
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("web", "vault", tenant.spc(("db/password", f"secret/data/{unique}", "password")), [
        {"secretName": "mirrored", "type": "Opaque", "data": [{"objectName": "db/password", "key": "password"}]}])

    def start(name: str = "web-0", **options):
        return workload.start_pod("web", name=name, service_account="web", **options)

    return start


@pytest.fixture
def mirrored(bed, workload) -> MirroredSecret:
    return MirroredSecret(bed, workload.namespace, "mirrored")


@pytest.fixture
def rotate(bed, unique):
    return lambda value: bed.openbao.put_secret(unique, {"password": value})


def test_a_volume_is_in_memory_and_nothing_in_it_can_run(web, bed):
    pod = web().wait_running()
    assert pod.files() == {"db/password": "first"}
    kind, options = mounts.options(pod.volume())
    assert kind == "tmpfs" and {"nosuid", "nodev"} <= options
    assert pod.volume().stat().st_mode & 0o7777 == 0o755
    pod.delete()
    pod.wait_gone()
    assert not pod.mounted()


def test_the_mirrored_secret_is_there_before_the_first_container(web, workload, bed):
    variable = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "mirrored", "key": "password"}}}
    pod = web(containers=[{"name": "main", "image": "app", "env": [variable],
                           "volumeMounts": [{"name": "secrets", "mountPath": "/mnt/secrets"}]}]).wait_running()
    assert pod.messages("Failed") == []


def test_a_new_value_reaches_file_and_secret_and_is_an_event(web, rotate, mirrored):
    pod = web().wait_running()
    rotate("second")
    pod.wait_for_file("db/password", "second")
    mirrored.wait_value("password", "second")
    pod.wait_for_event("MountRotationComplete", "db/password")


def test_nothing_is_written_while_nothing_changes(web, bed, agent, mirrored, workload):
    pod = web().wait_running()
    statuses = f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{workload.namespace}/secretproviderclasspodstatuses"

    def written():
        status, = bed.cluster.must("GET", statuses)["items"]
        return (pod.volume() / "..data").readlink(), mirrored.version, status["metadata"]["resourceVersion"]

    before, publishes = written(), agent.metric("node_publish_total")
    wait_for(lambda: agent.metric("node_publish_total") >= publishes + 3, "kubelet republishes", 30)
    assert written() == before


def test_kubelets_repeated_requests_cost_no_call_to_the_backend(workload, tenant, bed, unique, agent):
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("calm", "vault", tenant.spc(("password", f"secret/data/{unique}", "password"),
                                                     **{"nodekeep/refreshAfter": "1h"}))
    workload.run_pod("calm", service_account="web")
    mark, publishes = bed.openbao.audit.mark(), agent.metric("node_publish_total")
    wait_for(lambda: agent.metric("node_publish_total") >= publishes + 3, "kubelet republishes", 30)
    assert bed.openbao.audit.count(mark, f"secret/data/{unique}") == 0


def test_a_secret_is_read_once_for_all_pods_that_share_it(web, bed, unique, agent):
    pods = [web(f"web-{i}") for i in range(10)]
    for pod in pods:
        pod.wait_running()
    mark, began = bed.openbao.audit.mark(), time.monotonic()
    time.sleep(6)
    intervals = time.monotonic() - began  # of one second each
    assert bed.openbao.audit.count(mark, f"secret/data/{unique}") <= intervals + 2


def test_files_belong_to_the_group_of_the_pod(web):
    pod = web(securityContext={"fsGroup": 2000}).wait_running()
    held = (pod.volume() / "db/password").stat()
    assert held.st_gid == 2000 and held.st_mode & 0o040


def test_a_volume_holds_no_programs_and_no_devices(web):
    flags = os.statvfs(web().wait_running().volume()).f_flag
    assert flags & os.ST_NOEXEC and flags & os.ST_NOSUID and flags & os.ST_NODEV


def test_an_agent_that_was_killed_finds_its_volumes_again_without_the_kubelet(web, bed, agent, rotate, mirrored):
    pod = web().wait_running()
    bed.node.kill_kubelet()
    try:
        agent.kill()
        assert pod.files() == {"db/password": "first"}
        agent.start_without_kubelet()
        rotate("second")
        pod.wait_for_file("db/password", "second")
        mirrored.wait_value("password", "second")
    finally:
        bed.node.start_kubelet()
    web("web-1").wait_running()


def test_a_kubelet_that_starts_again_finds_the_driver(web, bed, agent):
    old = web("old").wait_running()
    bed.node.kill_kubelet()
    bed.node.start_kubelet()
    web("new").wait_running()
    assert old.files() == {"db/password": "first"}
    old.delete()
    old.wait_gone()


def test_after_a_reboot_every_volume_is_complete_again(web, bed, agent):
    """Volumes in memory are gone, their directories are not: what upstream's age gate takes for fresh.

    docs/protocol/csi-driver.md, "Rotation and the age gate"
    """
    pod = web().wait_running()
    bed.node.kill_kubelet()
    agent.kill()
    bed.node.lose_volumes()
    assert pod.files() == {} and pod.volume().exists()
    agent.start_without_kubelet()
    bed.node.start_kubelet()
    pod.wait_for_file("db/password", "first")
    assert pod.mounted()


def test_values_go_on_arriving_while_the_api_server_is_down(web, bed, rotate, mirrored):
    pod = web().wait_running()
    # The existing login outlasts the outage.
    bed.cluster.kill_api_server()
    try:
        rotate("second")
        pod.wait_for_file("db/password", "second")
    finally:
        bed.cluster.start_api_server()
    mirrored.wait_value("password", "second")


def test_a_backend_that_is_down_is_said_on_the_pod_and_never_an_empty_volume(workload, tenant, bed, unique, agent):
    address = "http://127.0.0.1:1"
    bed.openbao.put_secret(unique, {"password": "first"})
    spc = tenant.spc(("password", f"secret/data/{unique}", "password"))
    workload.apply_class("web", "vault", {**spc, "vaultAddress": address})
    pod = workload.start_pod("web", service_account="web")
    message = pod.wait_for_event("FailedMount", "failed to mount secrets store objects")
    assert address in message
    assert not pod.running and not pod.mounted()
    workload.apply_class("web", "vault", spc)
    pod.wait_running(120)
    assert pod.files() == {"password": "first"}


def test_a_rotation_that_fails_keeps_the_values_and_says_so(web, workload, tenant, bed, unique, rotate, agent):
    pod = web().wait_running()
    workload.apply_class("web", "vault", {**tenant.spc(("db/password", f"secret/data/{unique}/missing", "password"))})
    pod.wait_for_event("MountRotationFailed", "db/password")
    assert pod.files() == {"db/password": "first"} and pod.mounted() and pod.running
    workload.apply_class("web", "vault", tenant.spc(("db/password", f"secret/data/{unique}", "password")))
    rotate("second")
    pod.wait_for_file("db/password", "second")


def test_two_nodes_write_one_secret_and_do_not_fight(web, bed, agents, mirrored):
    first, second = (web(f"web-{name}", node=node) for name, node in bed.nodes.items())
    for pod in (first, second):
        pod.wait_running()
    mirrored.wait_owners(2)
    before = mirrored.version
    time.sleep(6)  # several publishes and refreshes on both nodes
    assert mirrored.version == before
    first.delete()
    mirrored.wait_owners(1)
    assert mirrored.value("password") == "first"
    second.delete()
    mirrored.wait_gone()


def test_a_foreign_secret_is_left_alone_and_the_pod_gets_an_event(web, bed, workload, agent, mirrored):
    bed.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mirrored", "namespace": workload.namespace},
                       "stringData": {"password": "theirs"}})
    before = mirrored.version
    pod = web()
    pod.wait_for_event("FailedToCreateSecret", "mirrored")
    assert mirrored.version == before and mirrored.value("password") == "theirs"


def test_a_hundred_and_ten_pods_at_once_all_start_complete_and_leave_nothing(web, bed, agent):
    pods = [web(f"web-{i}") for i in range(110)]
    for pod in pods:
        pod.wait_running(120)
        assert pod.files() == {"db/password": "first"}
    for pod in pods:
        pod.delete()
    for pod in pods:
        pod.wait_gone(120)
    assert not [point for point in mounts.below(bed.node.root) if any(pod.uid in str(point) for pod in pods)]


def test_an_agent_killed_again_and_again_in_a_storm_leaves_no_part_of_a_volume(web, bed, agent):
    pods = []
    for round_number in range(4):
        pods += [web(f"web-{round_number}-{i}") for i in range(10)]
        time.sleep(0.15 * round_number)  # kill later during the publishes in each round
        agent.kill()
        for pod in pods:
            assert not pod.running or pod.files() == {"db/password": "first"}
        agent.start()
    for pod in pods:
        pod.wait_running(180)
        assert pod.files() == {"db/password": "first"}


def test_a_pod_deleted_while_the_agent_is_away_goes_when_it_is_back(web, agent):
    pod = web().wait_running()
    assert agent.stop() == 0
    pod.delete()
    time.sleep(2)
    agent.start()
    pod.wait_gone()


def test_a_stop_under_load_loses_no_publish(web, agent):
    pods = [web(f"web-{i}") for i in range(20)]
    time.sleep(0.3)
    os.kill(agent.pid, signal.SIGTERM)
    agent.wait_for(lambda: not agent.running, "the agent exits", 20)
    agent.kill()
    agent.start()
    for pod in pods:
        pod.wait_running(180)
        assert pod.files() == {"db/password": "first"}


def test_the_start_up_taint_goes_once_the_kubelet_knows_the_driver(bed, agent):
    key = "secrets-store.csi.k8s.io/agent-not-ready"
    agent.stop()
    try:
        bed.kubectl.run("taint", "node", bed.node.name, f"{key}=true:NoSchedule", "other=stays:NoSchedule", "--overwrite")
    finally:
        agent.start()

    def taints():
        return [taint["key"] for taint in bed.kubectl.get("node", bed.node.name)["spec"].get("taints", [])]

    wait_for(lambda: key not in taints(), "the taint is removed")
    assert "other" in taints()
    bed.kubectl.run("taint", "node", bed.node.name, "other-")


def test_status_names_the_volumes_of_the_node(web, agent):
    pod = web().wait_running()
    shown = agent.cli("status").stdout
    assert f"{pod.namespace}/{pod.name}" in shown and "web" in shown


def _objects(*entries) -> dict:
    return {"objects": yaml.safe_dump(list(entries))}


# The defect of the class -> the spec, and texts that the pod's events must contain: the object, the field and the fix.
BAD_CLASSES = {
    "no provider": ({"provider": ""}, ["provider not set in {ns}/bad"]),
    "no parameters": ({"parameters": {}}, ["parameters not set in {ns}/bad"]),
    "an unknown provider": ({"provider": "nobody"}, ['provider not found: provider "nobody"']),
    "no objects": ({"parameters": {"roleName": "r", "vaultAddress": "http://127.0.0.1:1"}}, ["objects"]),
    "objects that are not a list": ({"parameters": {"roleName": "r", "objects": "{"}}, ["objects"]),
    "an object that leaves the volume": (
        {"parameters": {"roleName": "r", **_objects({"objectName": "../up", "secretPath": "secret/data/x", "secretKey": "k"})}},
        ["../up"]),
    "a misspelt field of an object": (
        {"parameters": {"roleName": "r", **_objects({"objectName": "a", "secretPth": "secret/data/x"})}}, ["secretP"]),
}


def test_an_invalid_provider_name_is_refused_by_the_api_server(workload, agent):
    with pytest.raises(BedError, match="spec.provider"):
        workload.apply_class("bad", "../vault", {"objects": "[]"})


@pytest.mark.parametrize("row", BAD_CLASSES)
def test_what_is_wrong_with_a_class_is_said_on_the_pod(workload, agent, row):
    spec, texts = BAD_CLASSES[row]
    workload.bed.kubectl.apply({
        "apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass",
        "metadata": {"name": "bad", "namespace": workload.namespace},
        "spec": {"provider": "vault", "parameters": {"objects": "[]"}, **spec}})
    pod = workload.start_pod([csi_volume("bad")])
    for text in texts:
        pod.wait_for_event("FailedMount", text.format(ns=workload.namespace))
    assert not pod.running and not pod.mounted()


# The same for secretObjects: the volume is mounted, the Secret cannot be written.
BAD_MIRRORS = {
    "no name": ({"type": "Opaque", "data": [{"objectName": "db/password", "key": "k"}]}, "secretName"),
    "no data": ({"secretName": "copy", "type": "Opaque", "data": []}, "data"),
    "a file that is not in the volume": (
        {"secretName": "copy", "type": "Opaque", "data": [{"objectName": "nowhere", "key": "k"}]}, "nowhere"),
    "an invalid certificate": (
        {"secretName": "copy", "type": "kubernetes.io/tls", "data": [
            {"objectName": "db/password", "key": "tls.crt"}, {"objectName": "db/password", "key": "tls.key"}]}, "tls.key"),
}


@pytest.mark.parametrize("row", BAD_MIRRORS)
def test_what_is_wrong_with_a_mirror_is_said_on_the_pod(workload, tenant, bed, unique, agent, row):
    entry, text = BAD_MIRRORS[row]
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("web", "vault", tenant.spc(("db/password", f"secret/data/{unique}", "password")), [entry])
    pod = workload.start_pod("web", service_account="web")
    wait_for(lambda: any(text in message for message in pod.messages()), lambda: f"an event contains {text!r}: {pod.messages()}")
    assert MirroredSecret(bed, workload.namespace, "copy").object() is None
