"""Upstream's end-to-end tests, re-made: the same mock provider, on a real kubelet, before both drivers.

docs/protocol/csi-driver.md, "End-to-end tests"
"""

import contextlib

import grpc
import pytest
import yaml

from bed.process import wait_for
from bed.upstream_driver import UpstreamDriver
from conftest import AUDIENCES
from driver_agent import DriverAgent
from harness import mock_provider
from harness.mock_provider import MockProvider
from mirrored import MirroredSecret
from workload import class_manifest, csi_volume, pod_spec

GROUP = "secrets-store.csi.x-k8s.io"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with MockProvider(tmp_path_factory.mktemp("providers")) as started:
        started.required_audiences = set(AUDIENCES)
        yield started


@pytest.fixture(scope="module", params=["upstream", "nodekeep"])
def driver(request, bed, provider, tmp_path_factory):
    """The driver of node1."""
    directory = tmp_path_factory.mktemp("driver")
    with contextlib.ExitStack() as stack:
        if request.param == "upstream":
            started = UpstreamDriver(bed.cluster, bed.node, provider.socket.parent, directory, poll_interval="1s")
        else:
            binary = request.getfixturevalue("nodekeep_binary")
            started = DriverAgent(binary, directory, bed, bed.node, foreign_dir=provider.socket.parent,
                                  config={"policy": {"refreshAfter": "1s"}})
        stack.enter_context(started)
        yield started
        bed.node.wait_until_empty()


@pytest.fixture(autouse=True)
def unrotated(provider):
    provider.rotated = False


def parameters(*names: str) -> dict:
    return {"objects": yaml.safe_dump({"array": [yaml.safe_dump({"objectName": name, "objectVersion": ""}) for name in names]})}


def mirrored(name: str = "foosecret", label: str = "test") -> list:
    return [{"secretName": name, "type": "Opaque", "labels": {"environment": label},
             "data": [{"objectName": "foo", "key": "username"}]}]


def env_from(secret: str, variable: str = "SECRET_USERNAME") -> dict:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": "username"}}}


def with_env(spec: dict, *variables: dict) -> dict:
    spec["containers"][0]["env"] = list(variables)
    return spec


def deployment(bed, namespace: str, name: str, class_name: str, secret: str) -> dict:
    spec = with_env(pod_spec(bed.node, [csi_volume(class_name)]), env_from(secret))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}}


@pytest.mark.parametrize("version", ["v1", "v1alpha1"])
def test_a_pod_reads_a_secret_and_a_key_of_either_api_version(driver, workload, version):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo", "fookey"), version=version)
    pod = workload.run_pod("e2e")
    assert pod.files() == {"foo": mock_provider.FOO, "fookey": mock_provider.FOO_KEY}
    assert pod.mounted()


def test_a_deleted_pod_goes_and_takes_its_volume_along(driver, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo"))
    pod = workload.run_pod("e2e")
    pod.delete()
    pod.wait_gone()
    assert not pod.mounted()


def test_the_status_object_says_what_is_mounted(driver, bed, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("fookey", "foo"))
    pod = workload.run_pod("e2e")
    path = f"/apis/{GROUP}/v1/namespaces/{pod.namespace}/secretproviderclasspodstatuses/{pod.name}-{pod.namespace}-e2e"
    found = wait_for(lambda: (lambda reply: reply.json if reply.ok else None)(bed.cluster.request("GET", path)), path)
    assert found["status"] == {
        "podName": pod.name, "secretProviderClassName": "e2e", "mounted": True, "targetPath": str(pod.volume()),
        "objects": [{"id": "secret/foo", "version": "v1"}, {"id": "secret/fookey", "version": "v1"}]}
    assert found["metadata"]["labels"]["internal.secrets-store.csi.k8s.io/node-name"] == bed.node.name
    owner, = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Pod", pod.uid)


def test_two_deployments_share_one_secret_which_goes_with_the_last(driver, bed, workload):
    bed.kubectl.apply([
        class_manifest(workload.namespace, "e2e", mock_provider.NAME, parameters("foo"), mirrored()),
        deployment(bed, workload.namespace, "first", "e2e", "foosecret"),
        deployment(bed, workload.namespace, "second", "e2e", "foosecret")])
    for name in ("first", "second"):
        pods = wait_for(lambda name=name: (lambda found: found if len(found) == 2 else None)(workload.pods(f"app={name}")),
                        f"two pods of {name}")
        for pod in pods:
            pod.wait_running(90)
    secret = MirroredSecret(bed, workload.namespace, "foosecret")
    assert secret.value("username") == mock_provider.FOO
    assert secret.object()["metadata"]["labels"] == {"environment": "test", "secrets-store.csi.k8s.io/managed": "true"}
    assert secret.object()["type"] == "Opaque"
    assert {owner["kind"] for owner in secret.wait_owners(2)} == {"ReplicaSet"}
    bed.kubectl.delete("deployment", "-n", workload.namespace, "first")
    secret.wait_owners(1)
    bed.kubectl.delete("deployment", "-n", workload.namespace, "second")
    secret.wait_gone()


def test_the_class_of_the_pods_own_namespace_counts(driver, bed, workload, unique):
    """A class of the same name in another namespace is invalid and must not be read."""
    other = f"{unique}-other"
    bed.cluster.create_namespace(other)
    try:
        bed.kubectl.apply(class_manifest(other, "e2e", "no-such-provider", parameters("foo")))
        workload.apply_class("e2e", mock_provider.NAME, parameters("foo"), mirrored())
        workload.run_pod("e2e")
        owner, = MirroredSecret(bed, workload.namespace, "foosecret").wait_owners(1)
        assert owner["kind"] == "SecretProviderClassPodStatus"
    finally:
        bed.cluster.delete_namespace(other)


def test_a_class_that_is_missing_is_said_on_the_pod(driver, workload):
    pod = workload.start_pod("e2e-provider-sync")
    message = pod.wait_for_event("FailedMount", f"failed to get secretproviderclass {pod.namespace}/e2e-provider-sync")
    assert "not found" in message
    assert not pod.running


def test_a_pod_may_have_two_classes_each_with_its_secret(driver, bed, workload):
    for number in ("0", "1"):
        workload.apply_class(f"e2e-{number}", mock_provider.NAME, parameters("foo"), mirrored(f"foosecret-{number}"))
    volumes = [csi_volume(f"e2e-{number}", name=f"secrets-{number}") for number in ("0", "1")]
    spec = with_env(pod_spec(bed.node, volumes), env_from("foosecret-0", "ZERO"), env_from("foosecret-1", "ONE"))
    pod = workload.run_pod(volumes, containers=spec["containers"])
    for number in ("0", "1"):
        assert pod.files(f"secrets-{number}") == {"foo": mock_provider.FOO}
        secret = MirroredSecret(bed, workload.namespace, f"foosecret-{number}")
        assert secret.value("username") == mock_provider.FOO
        secret.wait_owners(1)


def test_a_rotated_value_reaches_the_file_and_the_secret(driver, bed, provider, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo"), mirrored())
    pod = workload.run_pod("e2e")
    secret = MirroredSecret(bed, workload.namespace, "foosecret")
    secret.wait_value("username", mock_provider.FOO)
    provider.rotated = True
    pod.wait_for_file("foo", mock_provider.ROTATED, 120)
    secret.wait_value("username", mock_provider.ROTATED, 120)


def test_the_login_of_node_publish_secret_ref_reaches_the_provider(driver, bed, provider, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo"))
    bed.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": workload.namespace},
                       "stringData": {"clientid": "me", "clientsecret": "pass<word>"}})
    pod = workload.run_pod([csi_volume("e2e", secret_ref="login")])
    asked = next(request for request in provider.requests if pod.uid in request.attributes)
    assert yaml.safe_load(asked.secrets) == {"clientid": "me", "clientsecret": "pass<word>"}


def test_a_volume_that_is_not_read_only_is_refused(driver, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo"))
    volume = csi_volume("e2e")
    volume["csi"]["readOnly"] = False
    pod = workload.start_pod([volume])
    pod.wait_for_event("FailedMount", "Readonly is not true in request")
    assert not pod.running


def test_what_the_provider_says_stands_on_the_pod_and_no_volume_is_left(driver, provider, workload):
    workload.apply_class("e2e", mock_provider.NAME, parameters("foo"))
    provider.failure = (grpc.StatusCode.PERMISSION_DENIED, "the vault says no")
    try:
        pod = workload.start_pod("e2e")
        pod.wait_for_event("FailedMount", "the vault says no")
        assert not pod.running
    finally:
        provider.failure = None
    pod.wait_running()
    assert pod.files() == {"foo": mock_provider.FOO}


def test_the_metrics_of_upstream_are_there(driver, workload):
    names = ("node_publish_total", "node_unpublish_total", "rotation_reconcile_total")
    wait_for(lambda: all(name in driver.metrics_text() for name in names), lambda: f"{names} in {driver.metrics_text()}", 30)
