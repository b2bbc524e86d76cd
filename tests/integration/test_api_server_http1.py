"""The CSI driver with an API server, or a proxy in front of it, that does not speak HTTP/2: each watch occupies a connection."""

import pytest
import yaml

from bed.cluster import Cluster
from test_driver import a_pod, agent, classes, crds, store  # noqa: F401: fixtures

CLASSES = 24  # more than the connections that the agent opens to one host for requests


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("http1") / "cluster", http2=False) as started:
        yield started


def test_every_class_is_mounted_and_watched(agent, kubelet, cluster, classes, namespace):  # noqa: F811
    volumes = []
    for number in range(CLASSES):
        volumes.append(kubelet.volume(a_pod(namespace), classes.create(f"app-{number}")))
        kubelet.publish(volumes[-1], timeout=20)
    only_user = yaml.safe_dump([{"objectName": "user"}])
    for volume in volumes:
        cluster.must("PATCH", f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{namespace}/secretproviderclasses/{volume.spc}",
                     {"spec": {"parameters": {"objects": only_user}}}, {"Content-Type": "application/merge-patch+json"})
    # Long before the next refresh, which is two minutes away.
    agent.wait_for(lambda: all(not (volume.target / "password").exists() for volume in volumes), "the change of each class", 30)
    assert agent.http("/readyz")[0] == 200
    for volume in volumes:
        kubelet.unpublish(volume)
