"""Mirrored Secrets of the driver's volumes: classes that share a Secret, optional objects, certificates."""

import base64

import pytest
import yaml

from bed.certificates import CertificateAuthority
from harness.driver import Pod
from harness.kubelet import CallFailed
from test_driver import Classes, Store, classes, crds, store  # noqa: F401: fixtures

NODE = "node-of-the-integration-tests"


@pytest.fixture
def agent(kubelet, start_agent, cluster, store):
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet,
                        config={"providers": {"dev": {"path": str(store.path)}}, "policy": {"refreshAfterMin": "0s"}})
    kubelet.register()
    return agent


class Shop:
    def __init__(self, cluster, namespace: str, kubelet, classes: Classes, agent):
        self._agent = agent
        self.cluster = cluster
        self.namespace = namespace
        self._kubelet = kubelet
        self._classes = classes

    def volume(self, spc: str, objects: list, secret: dict):
        """A published volume of a new pod and a new class, which is refreshed every second."""
        self._classes.create(spc, parameters={"objects": yaml.safe_dump(objects), "nodekeep/refreshAfter": "1s"}, secretObjects=[secret])
        made = self.cluster.create_pod(self.namespace, f"pod-{spc}", node=NODE)
        volume = self._kubelet.volume(Pod(self.namespace, f"pod-{spc}", made["metadata"]["uid"]), spc)
        # As kubelet: again until the agent has read what the test put into the store.
        self._agent.wait_for(lambda: self._published(volume), f"the publish of {spc}", 20)
        return volume

    def _published(self, volume) -> bool:
        try:
            self._kubelet.publish(volume)
        except CallFailed as failure:
            assert "in dev store" in str(failure)
            return False
        return True

    def secret(self, name: str = "shared") -> dict | None:
        reply = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}")
        return reply.json if reply.ok else None

    def data(self, name: str = "shared") -> dict:
        return {key: base64.b64decode(value).decode() for key, value in ((self.secret(name) or {}).get("data") or {}).items()}

    def events(self, volume) -> list:
        return [event for event in self.cluster.must("GET", f"/api/v1/namespaces/{self.namespace}/events")["items"]
                if event["reason"] == "FailedToCreateSecret" and event["involvedObject"]["name"] == volume.pod.name]


@pytest.fixture
def shop(cluster, namespace, kubelet, classes, agent) -> Shop:
    return Shop(cluster, namespace, kubelet, classes, agent)


def secret_object(kind: str = "Opaque", **data) -> dict:
    return {"secretName": "shared", "type": kind, "data": [{"objectName": path, "key": key} for key, path in data.items()]}


def refreshes(agent) -> float:
    return sum(agent.metric("rotation_reconcile_total", provider="dev", rotated=rotated) for rotated in ("true", "false"))


def after_refreshes(agent, count: int) -> None:
    """Waits until that many refreshes have ended."""
    target = refreshes(agent) + count
    agent.wait_for(lambda: refreshes(agent) >= target, f"{count} refreshes", 30)


def test_two_classes_share_a_secret_and_write_it_once(agent, shop, store):
    store.put(alpha="a", beta="b")
    volumes = [shop.volume("c1", [{"objectName": "alpha"}], secret_object(A="alpha")),
               shop.volume("c2", [{"objectName": "beta"}], secret_object(B="beta"))]
    assert shop.data() == {"A": "a", "B": "b"}
    before = shop.secret()
    after_refreshes(agent, 8)
    assert shop.secret() == before
    assert [shop.events(volume) for volume in volumes] == [[], []]
    store.put(beta="b2")
    agent.wait_for(lambda: shop.data() == {"A": "a", "B": "b2"}, "the new value", 15)


def test_a_key_of_two_classes_is_an_event_on_both_pods(agent, shop, store):
    store.put(alpha="a", beta="b")
    first = shop.volume("c1", [{"objectName": "alpha"}], secret_object(A="alpha"))
    second = shop.volume("c2", [{"objectName": "beta"}], secret_object(A="beta", B="beta"))
    assert shop.data() == {"A": "a", "B": "b"}
    for volume, other in ((first, "c2"), (second, "c1")):
        agent.wait_for(lambda: [event for event in shop.events(volume) if f'key "A" (class "{other}")' in event["message"]],
                       f"the event that names {other}", 20)
    before = shop.secret()
    counts = [[event.get("count", 1) for event in shop.events(volume)] for volume in (first, second)]
    after_refreshes(agent, 8)
    assert shop.secret() == before
    assert [[event.get("count", 1) for event in shop.events(volume)] for volume in (first, second)] == counts


def test_an_optional_object_comes_and_goes(agent, shop, store):
    store.put(alpha="a")
    volume = shop.volume("c1", [{"objectName": "alpha"}, {"objectName": "later", "nodekeep/optional": True}],
                         secret_object(A="alpha", L="later"))
    assert shop.data() == {"A": "a"}
    store.put(later="l")
    agent.wait_for(lambda: shop.data() == {"A": "a", "L": "l"}, "the key", 15)
    del store.secrets["later"]
    store.put()
    agent.wait_for(lambda: shop.data() == {"A": "a"}, "its end", 15)
    assert shop.events(volume) == []


def test_a_key_that_does_not_fit_its_certificate_leaves_the_old_secret(agent, shop, store, tmp_path):
    authority = CertificateAuthority(tmp_path, "root")
    web, other = authority.issue("web", dns=("web.test",)), authority.issue("other", dns=("other.test",))
    store.put(crt=authority.pem + web.cert.read_text(), key=web.key.read_text())
    volume = shop.volume("c1", [{"objectName": "crt"}, {"objectName": "key"}],
                         secret_object("kubernetes.io/tls", **{"tls.crt": "crt", "tls.key": "key"}))
    assert shop.data()["tls.crt"] == web.cert.read_text() + authority.pem
    before = shop.secret()
    store.put(key=other.key.read_text())
    agent.wait_for(lambda: [event for event in shop.events(volume) if "does not fit the certificate" in event["message"]], "the event", 15)
    assert shop.secret() == before
    store.put(crt=other.cert.read_text())
    # After a failure the Secret is tried again within 10 seconds.
    agent.wait_for(lambda: shop.data()["tls.crt"] == other.cert.read_text(), "the new pair", 20)
