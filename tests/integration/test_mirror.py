"""Mirroring into Secrets on a real API server with the real garbage collector: several nodes, foreign changes, kills."""

import base64
import json
import os
import pathlib
import signal
import threading
import time

import pytest
import yaml

from bed.certificates import CertificateAuthority
from bed.process import REPOSITORY
from harness.mirror_probe import MirrorProbe, ProbeDied

MANAGED = "secrets-store.csi.k8s.io/managed"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Shop:
    """A namespace with owners of pods, and its Secrets."""

    def __init__(self, cluster, namespace: str):
        self.cluster = cluster
        self.namespace = namespace

    def owner(self, name: str) -> dict:
        return self.cluster.create_replica_set(self.namespace, name)

    def drop(self, owner: dict) -> None:
        self.cluster.must("DELETE", f"/apis/apps/v1/namespaces/{self.namespace}/replicasets/{owner['name']}",
                          {"propagationPolicy": "Background"})

    def path(self, name: str = "") -> str:
        return f"/api/v1/namespaces/{self.namespace}/secrets" + (f"/{name}" if name else "")

    def secret(self, name: str) -> dict | None:
        reply = self.cluster.request("GET", self.path(name))
        assert reply.ok or reply.status == 404, reply.text
        return reply.json if reply.ok else None

    def data(self, name: str) -> dict:
        return {key: base64.b64decode(value).decode() for key, value in (self.secret(name).get("data") or {}).items()}

    def owners(self, name: str) -> set:
        found = self.secret(name)
        return set() if found is None else {entry["uid"] for entry in found["metadata"].get("ownerReferences", [])}

    def patch(self, name: str, body: dict, manager: str = "kubectl") -> None:
        self.cluster.must("PATCH", self.path(name) + f"?fieldManager={manager}", body,
                          {"Content-Type": "application/merge-patch+json"})

    def apply(self, name: str, manager: str, body: dict) -> None:
        self.cluster.must("PATCH", self.path(name) + f"?force=true&fieldManager={manager}",
                          {"apiVersion": "v1", "kind": "Secret", **body, "metadata": {"name": name, **body.get("metadata", {})}},
                          {"Content-Type": "application/apply-patch+yaml"})

    def managers(self, name: str) -> set:
        return {entry["manager"] for entry in self.secret(name)["metadata"]["managedFields"]}

    def version(self, name: str) -> str:
        return self.secret(name)["metadata"]["resourceVersion"]

    def write(self, node: str, volume: str, owners: list, files: dict | None = None, *, objects: list | None = None,
              spc: str = "app", **more) -> dict:
        """The command to mirror, by default file "f" into key "k" of the Secret "app"."""
        return {"node": node, "write": {
            "objects": objects or [secret_object()], "files": files or {"f": "v"}, "namespace": self.namespace,
            "volume": volume, "owners": owners, "class": {"name": spc}}, **more}

    def wait(self, condition, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
            time.sleep(0.02)


def secret_object(name: str = "app", kind: str = "Opaque", data: dict | None = None, **more) -> dict:
    return {"secretName": name, "type": kind,
            "data": [{"objectName": file, "key": key} for key, file in (data or {"k": "f"}).items()], **more}


@pytest.fixture(scope="session")
def probe_binary() -> pathlib.Path:
    """mirror-probe, in the directory of the binary under test."""
    beside = pathlib.Path(os.environ.get("NODEKEEP_BIN", REPOSITORY / "build" / "release" / "nodekeep"))
    path = beside.resolve().parent / "mirror-probe"
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not built: cmake --build {path.parent} --target integration_programs", pytrace=False)
    return path


@pytest.fixture
def shop(cluster, namespace) -> Shop:
    return Shop(cluster, namespace)


@pytest.fixture
def start_probe(probe_binary, cluster):
    def start(**options) -> MirrorProbe:
        return MirrorProbe(probe_binary, cluster.kubeconfig, **options)

    return start


@pytest.fixture
def probe(start_probe):
    with start_probe() as started:
        yield started


def must(answer: dict) -> dict:
    assert answer.get("faults", []) == []
    return answer


# -- several nodes

def test_two_nodes_that_write_one_secret_at_once_keep_each_others_owners(shop, probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    answers = probe.together(shop.write("n1", "p1/v", [web], times=200), shop.write("n2", "p2/v", [jobs], times=200))
    for answer in answers:
        must(answer)
    assert shop.data("app") == {"k": "v 199"}
    assert shop.owners("app") == {web["uid"], jobs["uid"]}
    assert shop.secret("app")["metadata"]["labels"] == {MANAGED: "true"}


def test_two_nodes_that_create_one_secret_at_once_both_own_it(shop, probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    for round in range(20):
        objects = [secret_object(f"app-{round}")]
        for answer in probe.together(shop.write("n1", "p1/v", [web], objects=objects),
                                     shop.write("n2", "p2/v", [jobs], objects=objects)):
            must(answer)
        assert shop.owners(f"app-{round}") == {web["uid"], jobs["uid"]}


def test_the_same_content_again_changes_nothing(shop, probe, start_probe):
    web = shop.owner("web")
    assert must(probe.do(shop.write("n1", "p1/v", [web])))["written"] == 1
    version = shop.secret("app")["metadata"]["resourceVersion"]
    assert must(probe.do(shop.write("n1", "p2/v", [web])))["written"] == 0
    with start_probe() as after_restart:
        assert must(after_restart.do(shop.write("n1", "p1/v", [web])))["written"] == 0
    assert shop.secret("app")["metadata"]["resourceVersion"] == version


def test_the_garbage_collector_ends_it_with_its_last_owner(shop, probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    must(probe.do(shop.write("n1", "p1/v", [web])))
    must(probe.do(shop.write("n2", "p2/v", [jobs])))
    assert shop.owners("app") == {web["uid"], jobs["uid"]}
    shop.drop(web)
    shop.wait(lambda: shop.owners("app") == {jobs["uid"]})
    shop.drop(jobs)
    shop.wait(lambda: shop.secret("app") is None)


def test_it_goes_with_the_last_pod_although_the_owner_lives_on(shop, probe):
    web = shop.owner("web")
    must(probe.do(shop.write("n1", "p1/v", [web])))
    must(probe.do(shop.write("n2", "p2/v", [web])))
    must(probe.do({"node": "n1", "release": "p1/v", "sweep": True}))
    assert shop.owners("app") == {web["uid"]}
    must(probe.do({"node": "n2", "release": "p2/v", "sweep": True}))
    assert shop.secret("app") is None


def test_two_nodes_that_leave_at_once_leave_nothing_behind(shop, probe):
    web = shop.owner("web")
    for _ in range(20):
        for answer in probe.together(shop.write("n1", "p1/v", [web]), shop.write("n2", "p2/v", [web])):
            must(answer)
        for answer in probe.together({"node": "n1", "release": "p1/v", "sweep": True},
                                     {"node": "n2", "release": "p2/v", "sweep": True}):
            must(answer)
        assert shop.secret("app") is None


def test_a_pod_that_comes_while_the_last_one_leaves_gets_its_secret(shop, probe):
    web = shop.owner("web")
    for _ in range(20):
        must(probe.do(shop.write("n1", "p1/v", [web])))
        for answer in probe.together({"node": "n1", "release": "p1/v", "sweep": True}, shop.write("n2", "p2/v", [web])):
            must(answer)
        assert shop.owners("app") == {web["uid"]}
        must(probe.do({"node": "n2", "release": "p2/v", "sweep": True}))


@pytest.mark.parametrize("policy", ["Retain", "WithClass"])
def test_deletion_policies(shop, probe, policy):
    web, spc = shop.owner("web"), shop.owner("stands-for-the-class")
    objects = [secret_object(annotations={"nodekeep/deletionPolicy": policy})]
    command = shop.write("n1", "p1/v", [web], objects=objects)
    command["write"]["class"] = spc
    must(probe.do(command))
    assert shop.owners("app") == ({spc["uid"]} if policy == "WithClass" else set())
    shop.drop(web)
    must(probe.do({"node": "n1", "release": "p1/v", "sweep": True}))
    assert shop.data("app") == {"k": "v"}
    if policy == "WithClass":
        shop.drop(spc)
        shop.wait(lambda: shop.secret("app") is None)


# -- foreign Secrets and changes

def test_a_foreign_secret_is_left_alone_until_it_is_offered(shop, probe):
    shop.cluster.must("POST", shop.path(), {"metadata": {"name": "app"}, "data": {"k": encoded("theirs"), "old": encoded("x")}})
    before = shop.secret("app")
    command = shop.write("n1", "p1/v", [shop.owner("web")])
    [fault] = probe.do(command)["faults"]
    assert fault.startswith(f"secret {shop.namespace}/app: exists and was created by another client")
    assert shop.secret("app") == before
    shop.patch("app", {"metadata": {"annotations": {"nodekeep/adopt": "true"}}})
    must(probe.do(command))
    assert shop.data("app") == {"k": "v"}
    assert shop.secret("app")["metadata"]["labels"] == {MANAGED: "true"}


def test_what_others_create_at_the_same_moment_is_never_changed(shop, probe):
    web = shop.owner("web")
    theirs = 0
    for round in range(30):
        name = f"app-{round}"
        replies = []
        poster = threading.Thread(target=lambda: replies.append(shop.cluster.request(
            "POST", shop.path(), {"metadata": {"name": name}, "data": {"other": encoded("theirs")}})))
        poster.start()
        time.sleep(0.002 * (round % 15))  # a varying head start, so that each side wins sometimes on any machine
        faults = probe.do(shop.write("n1", "p1/v", [web], objects=[secret_object(name)]))["faults"]
        poster.join()
        if replies[0].ok:
            theirs += 1
            assert shop.data(name) == {"other": "theirs"}
            assert "labels" not in shop.secret(name)["metadata"]
            assert "exists and was created by another client" in faults[0]
        else:
            assert replies[0].status == 409
            assert (faults, shop.data(name)) == ([], {"k": "v"})
    assert theirs > 0, "the race was never lost: post even earlier"


@pytest.fixture
def rechecking_probe(start_probe):
    """A probe that reads the Secret at each write, as an agent does every half hour."""
    with start_probe(recheck=0) as started:
        yield started


def test_drift_is_reverted_and_foreign_fields_stay(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    command = shop.write("n1", "p1/v", [web])
    must(probe.do(command))
    for body in ({"data": {"k": encoded("wrong")}}, {"data": {"k": None}}, {"metadata": {"labels": {MANAGED: None}}},
                 {"metadata": {"ownerReferences": None}}):
        shop.patch("app", body)
        shop.patch("app", {"metadata": {"labels": {"team": "shop"}}})
        must(probe.do(command))
        assert shop.data("app") == {"k": "v"}
        assert shop.owners("app") == {web["uid"]}
        assert shop.secret("app")["metadata"]["labels"] == {MANAGED: "true", "team": "shop"}


def test_another_nodes_newer_content_is_no_drift(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    must(probe.do(shop.write("n1", "p1/v", [web], {"f": "old"})))
    must(probe.do(shop.write("n2", "p2/v", [web], {"f": "new"})))
    must(probe.do(shop.write("n1", "p1/v", [web], {"f": "old"})))
    assert shop.data("app") == {"k": "new"}


def test_upstreams_secret_is_taken_over_and_follows_the_class(shop, probe):
    web = shop.owner("web")
    shop.cluster.must("POST", shop.path() + "?fieldManager=secrets-store-csi-driver", {
        "metadata": {"name": "app", "labels": {MANAGED: "true"}, "ownerReferences": [web]},
        "data": {"k": encoded("v"), "l": encoded("w")}})
    both = [secret_object(data={"k": "f", "l": "g"})]
    must(probe.do(shop.write("n1", "p1/v", [web], {"f": "v", "g": "w"}, objects=both)))
    assert shop.data("app") == {"k": "v", "l": "w"}
    must(probe.do(shop.write("n1", "p1/v", [web], {"f": "v2"})))
    assert shop.data("app") == {"k": "v2"}
    assert shop.owners("app") == {web["uid"]}


def test_a_secret_that_cannot_be_changed_is_replaced_and_keeps_all_owners(shop, probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    must(probe.do(shop.write("n1", "p1/v", [web])))
    must(probe.do(shop.write("n2", "p2/v", [jobs])))
    basic = [secret_object(kind="kubernetes.io/basic-auth", data={"username": "f"})]
    must(probe.do(shop.write("n1", "p1/v", [web], objects=basic)))
    assert (shop.secret("app")["type"], shop.data("app")) == ("kubernetes.io/basic-auth", {"username": "v"})
    assert shop.owners("app") == {web["uid"], jobs["uid"]}
    shop.patch("app", {"immutable": True})
    must(probe.do(shop.write("n1", "p1/v", [web], {"f": "v2"}, objects=basic)))
    assert shop.data("app") == {"username": "v2"}
    assert shop.owners("app") == {web["uid"], jobs["uid"]}


# -- several classes

def class_write(shop, node: str, spc: str, owners: list, files: dict, keys: str, **more) -> dict:
    """The command to mirror key "A" of file "A"... into the Secret "shared", for a pod of the class on the node."""
    return shop.write(node, f"{node}-{spc}/v", owners, files, spc=spc,
                      objects=[secret_object("shared", data={key: key for key in keys}, **more)])


def leave(node: str, spc: str) -> dict:
    return {"node": node, "release": f"{node}-{spc}/v", "sweep": True}


REFUSED = "fields that another SecretProviderClass of the namespace has set are not written: "
CONTESTED = ("another SecretProviderClass of the namespace sets the same fields, which keep the values of this one: ")


@pytest.mark.parametrize("nodes", [("n1", "n1"), ("n1", "n2")])
def test_keys_of_two_classes_are_merged_and_written_once(shop, rechecking_probe, start_probe, nodes):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    first = class_write(shop, nodes[0], "c1", [web], {"A": "alpha"}, "A", labels={"one": "1", "both": "x"})
    second = class_write(shop, nodes[1], "c2", [jobs], {"B": "beta"}, "B", labels={"two": "2", "both": "x"},
                         annotations={"note": "n"})
    for command in (first, second):
        must(rechecking_probe.do(command))
    assert shop.data("shared") == {"A": "alpha", "B": "beta"}
    assert shop.secret("shared")["metadata"]["labels"] == {MANAGED: "true", "one": "1", "two": "2", "both": "x"}
    assert shop.secret("shared")["metadata"]["annotations"] == {"note": "n"}
    assert shop.owners("shared") == {web["uid"], jobs["uid"]}
    version = shop.version("shared")
    with start_probe() as after_restart:
        for command in (first, second, first, second):
            assert must(rechecking_probe.do(command))["written"] == 0
            assert must(after_restart.do(command))["written"] == 0
    assert shop.version("shared") == version


def test_a_class_changes_and_removes_only_its_own_keys(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a", "C": "c"}, "AC", labels={"one": "1"})))
    must(probe.do(class_write(shop, "n2", "c2", [web], {"B": "b"}, "B", labels={"two": "2"})))
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a2"}, "A")))
    assert shop.data("shared") == {"A": "a2", "B": "b"}
    assert shop.secret("shared")["metadata"]["labels"] == {MANAGED: "true", "two": "2"}
    shop.patch("shared", {"data": {"A": encoded("theirs"), "B": None}})
    must(probe.do(class_write(shop, "n2", "c2", [web], {"B": "b"}, "B")))
    assert shop.data("shared") == {"A": "theirs", "B": "b"}
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a2"}, "A")))
    assert shop.data("shared") == {"A": "a2", "B": "b"}


def test_a_key_of_two_classes_stays_with_the_first_and_both_are_told(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    first = class_write(shop, "n1", "c1", [web], {"A": "one"}, "A")
    second = class_write(shop, "n2", "c2", [web], {"A": "two", "B": "b"}, "AB")
    must(probe.do(first))
    for _ in range(2):
        [refused] = probe.do(second)["faults"]
        assert refused == (f'secret {shop.namespace}/shared: {REFUSED}key "A" (class "c1"): set each in one class only, '
                           "or choose another secretName")
        assert shop.data("shared") == {"A": "one", "B": "b"}
        [contested] = probe.do(first)["faults"]
        assert contested == (f'secret {shop.namespace}/shared: {CONTESTED}key "A" (class "c2"): set each in one class only, '
                             "or choose another secretName")
    version = shop.version("shared")
    for command in (first, second, first, second):
        assert len(probe.do(command)["faults"]) == 1
    assert shop.version("shared") == version
    # The first class gives the key up.
    must(probe.do(class_write(shop, "n1", "c1", [web], {"C": "c"}, "C")))
    must(probe.do(second))
    must(probe.do(class_write(shop, "n1", "c1", [web], {"C": "c"}, "C")))
    assert shop.data("shared") == {"A": "two", "B": "b", "C": "c"}
    assert not shop.secret("shared")["metadata"].get("annotations")


def test_the_same_value_from_two_classes_is_refused_too(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    must(probe.do(class_write(shop, "n1", "c2", [web], {"A": "same"}, "A")))
    [refused] = probe.do(class_write(shop, "n2", "c1", [web], {"A": "same"}, "A"))["faults"]
    assert f'{REFUSED}key "A" (class "c2")' in refused


def test_labels_and_annotations_with_another_value_are_refused(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a"}, "A", labels={"team": "shop"}, annotations={"note": "1"})))
    [refused] = probe.do(class_write(shop, "n1", "c2", [web], {"B": "b"}, "B", labels={"team": "web"},
                                     annotations={"note": "2"}))["faults"]
    assert f'{REFUSED}label "team" (class "c1"), annotation "note" (class "c1")' in refused
    metadata = shop.secret("shared")["metadata"]
    assert (metadata["labels"]["team"], metadata["annotations"]["note"]) == ("shop", "1")
    must(probe.do(class_write(shop, "n1", "c2", [web], {"B": "b"}, "B", labels={"team": "shop"}, annotations={"note": "1"})))
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a"}, "A", labels={"team": "shop"}, annotations={"note": "1"})))


def test_the_keys_of_a_class_go_with_its_last_pod_on_any_node(shop, probe):
    web = shop.owner("web")
    for node in ("n1", "n2"):
        must(probe.do(class_write(shop, node, "c1", [web], {"A": "a"}, "A")))
    must(probe.do(class_write(shop, "n1", "c2", [web], {"B": "b"}, "B")))
    must(probe.do(leave("n1", "c1")))
    assert shop.data("shared") == {"A": "a", "B": "b"}
    must(probe.do(leave("n2", "c1")))
    assert shop.data("shared") == {"B": "b"}
    assert shop.owners("shared") == {web["uid"]}
    must(probe.do(leave("n1", "c2")))
    assert shop.secret("shared") is None


def test_a_refused_key_is_written_once_the_last_pod_of_the_other_class_is_gone(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    second = class_write(shop, "n2", "c2", [web], {"A": "two"}, "A")
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "one"}, "A")))
    assert len(probe.do(second)["faults"]) == 1
    must(probe.do(leave("n1", "c1")))
    must(probe.do(second))
    assert shop.data("shared") == {"A": "two"}
    assert shop.managers("shared") == {"nodekeep/c2", "nodekeep:n2/c2"}


def test_required_keys_are_taken_over_and_the_rest_of_the_other_class_goes(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")

    def write(node: str, spc: str, keys: dict) -> dict:
        return shop.write(node, f"{node}-{spc}/v", [web], {"f": spc}, spc=spc,
                          objects=[secret_object("shared", "kubernetes.io/basic-auth", keys)])

    must(probe.do(write("n1", "c1", {"username": "f", "more": "f"})))
    second = write("n2", "c2", {"username": "f"})
    assert len(probe.do(second)["faults"]) == 1
    must(probe.do(leave("n1", "c1")))
    must(probe.do(second))
    assert shop.data("shared") == {"username": "c2"}


def test_a_type_or_deletion_policy_that_differs_names_the_other_class(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a"}, "A")))
    before = shop.secret("shared")
    for objects, words in (
            ([secret_object("shared", "example.com/own", {"B": "B"})], "type Opaque"),
            ([secret_object("shared", data={"B": "B"}, annotations={"nodekeep/deletionPolicy": "Retain"})], "deletionPolicy Delete")):
        [fault] = probe.do(shop.write("n2", "p/v", [web], {"B": "b"}, spc="c2", objects=objects))["faults"]
        assert fault.startswith(f'secret {shop.namespace}/shared: has {words} from the SecretProviderClass "c1", not ')
    assert shop.secret("shared") == before


def test_classes_that_write_one_secret_at_once_lose_nothing(shop, probe):
    web = shop.owner("web")
    answers = probe.together(*(class_write(shop, f"n{i}", f"c{i}", [web], {str(i): "v"}, str(i)) | {"times": 50} for i in range(4)))
    for answer in answers:
        must(answer)
    assert shop.data("shared") == {str(i): "v 49" for i in range(4)}


def test_a_key_of_two_classes_that_are_created_at_once_has_one_owner(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    for round in range(20):
        name = f"shared-{round}"

        def write(node: str, spc: str) -> dict:
            return shop.write(node, f"{node}-{spc}/v", [web], {"A": "a", spc: spc}, spc=spc,
                              objects=[secret_object(name, data={"A": "A", spc: spc})])

        commands = write("n1", "c1"), write("n2", "c2")
        probe.together(*commands)
        faults = [fault for command in (*commands, *commands) for fault in probe.do(command)["faults"]]
        assert shop.data(name) == {"A": "a", "c1": "c1", "c2": "c2"}
        holders = [entry["manager"] for entry in shop.secret(name)["metadata"]["managedFields"]
                   if "f:A" in entry["fieldsV1"].get("f:data", {})]
        assert len(holders) == 1
        assert any(REFUSED in fault for fault in faults) and any(CONTESTED in fault for fault in faults)


def test_a_replaced_secret_keeps_what_other_classes_set(shop, start_probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    with start_probe(recheck=0) as probe:
        must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a"}, "A")))
        must(probe.do(class_write(shop, "n2", "c2", [jobs], {"B": "b"}, "B", labels={"two": "2"})))
        shop.patch("shared", {"immutable": True})
        must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a2"}, "A")))
        assert shop.data("shared") == {"A": "a2", "B": "b"}
        assert shop.secret("shared")["metadata"]["labels"] == {MANAGED: "true", "two": "2"}
        assert shop.owners("shared") == {web["uid"], jobs["uid"]}
        # The class itself is not mistaken for one without pods.
        must(probe.do(class_write(shop, "n1", "c1", [web], {"A": "a3"}, "A")))
        assert shop.data("shared") == {"A": "a3", "B": "b"}


@pytest.mark.parametrize("step", ["read", "content", "claim"])
def test_killed_while_joining_another_class(shop, start_probe, step):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    first = class_write(shop, "n1", "c1", [web], {"A": "a"}, "A")
    second = class_write(shop, "n2", "c2", [jobs], {"B": "b"}, "B")
    with start_probe(recheck=0) as predecessor:
        must(predecessor.do(first))
        with start_probe(die_after=step) as victim, pytest.raises(ProbeDied):
            victim.do(second)
        assert shop.data("shared")["A"] == "a"
        must(predecessor.do(first))
    with start_probe() as successor:
        must(successor.do(second))
    assert shop.data("shared") == {"A": "a", "B": "b"}
    assert shop.owners("shared") == {web["uid"], jobs["uid"]}


@pytest.mark.parametrize("step", ["content", "claim"])
def test_killed_while_the_last_pod_of_a_class_leaves(shop, start_probe, step):
    web = shop.owner("web")
    first = class_write(shop, "n1", "c1", [web], {"A": "a"}, "A")
    second = class_write(shop, "n2", "c2", [web], {"B": "b"}, "B")
    with start_probe(recheck=0) as other:
        must(other.do(second))
        must(other.do(first))
        # The victim knows the pod, as after a restart, and finds it gone.
        with start_probe(die_after=step) as victim, pytest.raises(ProbeDied):
            must(victim.do(first))
            victim.do(leave("n1", "c1"))
        must(other.do(second))
        assert shop.data("shared") == {"B": "b"}


# -- Secrets of releases with one manager for all classes

def old_secret(shop, data: dict, owners: dict, **more) -> None:
    shop.apply("shared", "nodekeep", {"type": "Opaque", "data": {key: encoded(value) for key, value in data.items()},
                                      "metadata": {"labels": {MANAGED: "true"}}, **more})
    for node, owner in owners.items():
        shop.apply("shared", f"nodekeep:{node}", {"metadata": {"uid": shop.secret("shared")["metadata"]["uid"], "ownerReferences": [owner]}})


def test_a_secret_of_an_earlier_release_is_taken_over(shop, probe):
    web = shop.owner("web")
    old_secret(shop, {"A": "a", "stale": "x"}, {"n1": web, "n2": web})
    versions = []
    for node in ("n1", "n2", "n1", "n2", "n1", "n2"):
        must(probe.do(class_write(shop, node, "c1", [web], {"A": "a"}, "A")))
        assert shop.data("shared")["A"] == "a"
        versions.append(shop.version("shared"))
    assert shop.data("shared") == {"A": "a"}
    assert shop.managers("shared") == {"nodekeep/c1", "nodekeep:n1/c1", "nodekeep:n2/c1"}
    assert versions[-1] == versions[-2] == versions[-3]
    for node in ("n1", "n2"):
        must(probe.do(leave(node, "c1")))
    assert shop.secret("shared") is None


def test_two_classes_in_a_secret_of_an_earlier_release_lose_no_key(shop, probe):
    web = shop.owner("web")
    old_secret(shop, {"B": "b"}, {"n1": web, "n2": web})
    commands = [class_write(shop, node, spc, [web], {key: key.lower()}, key)
                for node, spc, key in (("n1", "c1", "A"), ("n2", "c1", "A"), ("n1", "c2", "B"), ("n2", "c2", "B"))]
    for command in commands + commands + commands:
        must(probe.do(command))
        assert shop.data("shared") == {"A": "a", "B": "b"}
    assert "nodekeep" not in shop.managers("shared")


def test_a_pod_that_left_before_the_takeover_is_forgotten(shop, probe):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    old_secret(shop, {"A": "a"}, {"n1": web, "n2": jobs})
    # Found on the node after the upgrade, and not written before it goes.
    must(probe.do({"node": "n1", "claim": class_write(shop, "n1", "c1", [web], {}, "A")["write"]}))
    must(probe.do(leave("n1", "c1")))
    assert shop.owners("shared") == {jobs["uid"]}
    assert shop.data("shared") == {"A": "a"}


def test_an_agent_of_an_earlier_release_beside_new_ones_loses_no_key_of_the_class(shop, rechecking_probe):
    probe = rechecking_probe
    web = shop.owner("web")
    command = class_write(shop, "n1", "c1", [web], {"A": "new"}, "A")
    for _ in range(3):
        old_secret(shop, {"A": "old"}, {"n2": web})
        must(probe.do(command))
        must(probe.do(command))
        assert set(shop.data("shared")) == {"A"}
    assert shop.owners("shared") == {web["uid"]}


# -- types

def test_every_type_is_what_the_api_server_takes(shop, probe, tmp_path):
    authority = CertificateAuthority(tmp_path, "root")
    pair = authority.issue("web", dns=("web.test",))
    shop.cluster.create_service_account(shop.namespace, "robot")
    files = {"text": "v", "docker.json": json.dumps({"auths": {}}), "old.json": "{}", "id": "abcdef", "word": "0123456789abcdef",
             "web.pem": pair.key.read_text() + pair.cert.read_text() + authority.pem}
    objects = [
        secret_object("opaque"),
        secret_object("basic", "kubernetes.io/basic-auth", {"username": "text", "password": "word"}),
        secret_object("ssh", "kubernetes.io/ssh-auth", {"ssh-privatekey": "text"}),
        secret_object("docker", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": "docker.json"}),
        secret_object("docker-old", "kubernetes.io/dockercfg", {".dockercfg": "old.json"}),
        secret_object("bootstrap", "bootstrap.kubernetes.io/token", {"token-id": "id", "token-secret": "word"}),
        secret_object("robot", "kubernetes.io/service-account-token", {"extra": "text"},
                      annotations={"kubernetes.io/service-account.name": "robot"}),
        secret_object("own", "example.com/own", {"k": "text"}),
        secret_object("tls", "kubernetes.io/tls", {"tls.crt": "web.pem", "tls.key": "web.pem", "ca.crt": "web.pem"}),
    ]
    objects[0]["data"][0]["objectName"] = "text"
    command = shop.write("n1", "p1/v", [shop.owner("web")], files, objects=objects)
    assert must(probe.do(command))["written"] == len(objects)
    for entry in objects:
        made = shop.secret(entry["secretName"])
        assert made["type"] == entry["type"]
        assert {item["key"] for item in entry["data"]} <= set(made["data"])
    tls = shop.data("tls")
    assert tls["tls.crt"] == pair.cert.read_text() + authority.pem
    assert tls["ca.crt"] == authority.pem
    assert tls["tls.key"].startswith("-----BEGIN EC PRIVATE KEY-----\n")
    # The token controller adds its keys; later writes keep them.
    shop.wait(lambda: "token" in shop.data("robot"))
    files["text"] = "v2"
    must(probe.do(command))
    assert shop.data("robot")["extra"] == "v2"
    assert shop.data("robot")["token"]


def test_what_the_api_server_refuses_is_told_in_its_words(shop, probe):
    objects = [secret_object("bad", labels={"team": "not a label!"}), secret_object("good")]
    answer = probe.do(shop.write("n1", "p1/v", [shop.owner("web")], objects=objects))
    [fault] = answer["faults"]
    assert fault.startswith(f"secret {shop.namespace}/bad: kubernetes: PATCH ")
    assert "metadata.labels" in fault
    assert shop.data("good") == {"k": "v"}


# -- kills

@pytest.mark.parametrize("step", ["read", "content", "claim"])
def test_killed_while_creating(shop, start_probe, step):
    web = shop.owner("web")
    with start_probe(die_after=step) as victim, pytest.raises(ProbeDied) as death:
        victim.do(shop.write("n1", "p1/v", [web]))
    assert death.value.code == -signal.SIGKILL
    assert shop.secret("app") is None if step == "read" else shop.data("app") == {"k": "v"}
    with start_probe() as successor:
        must(successor.do(shop.write("n1", "p1/v", [web])))
    assert shop.data("app") == {"k": "v"}
    assert shop.owners("app") == {web["uid"]}


@pytest.mark.parametrize("step", ["read", "content", "prune", "claim"])
def test_killed_while_changing(shop, start_probe, step):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    both = [secret_object(data={"k": "f", "l": "g"})]
    change = shop.write("n1", "p2/v", [jobs], {"f": "new"})
    with start_probe() as predecessor:
        must(predecessor.do(shop.write("n1", "p1/v", [web], {"f": "old", "g": "x"}, objects=both)))
    shop.patch("app", {"data": {"stale": encoded("x")}})
    with start_probe(die_after=step) as victim, pytest.raises(ProbeDied):
        victim.do(change)
    assert shop.data("app")["k"] == ("old" if step == "read" else "new")
    assert shop.owners("app")
    with start_probe() as successor:
        must(successor.do(shop.write("n1", "p1/v", [web], {"f": "new"})))
        must(successor.do(change))
    assert shop.data("app") == {"k": "new"}
    assert shop.owners("app") == {web["uid"], jobs["uid"]}


@pytest.mark.parametrize("step", ["read", "delete"])
def test_killed_while_replacing(shop, start_probe, step):
    web = shop.owner("web")
    with start_probe() as predecessor:
        must(predecessor.do(shop.write("n1", "p1/v", [web])))
    change = shop.write("n1", "p1/v", [web], objects=[secret_object(kind="example.com/own")])
    with start_probe(die_after=step) as victim, pytest.raises(ProbeDied):
        victim.do(change)
    assert (shop.secret("app") is None) == (step == "delete")
    with start_probe() as successor:
        must(successor.do(change))
    assert shop.secret("app")["type"] == "example.com/own"
    assert shop.owners("app") == {web["uid"]}


# -- SecretProviderClassPodStatus

@pytest.fixture(scope="session")
def status_resource(cluster):
    crd = yaml.safe_load((REPOSITORY / "deploy" / "chart" / "crds" / "secretproviderclasspodstatuses.yaml").read_text())
    reply = cluster.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    assert reply.ok or reply.status == 409, reply.text
    deadline = time.monotonic() + 20
    path = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasspodstatuses"
    while not cluster.request("GET", path).ok:
        assert time.monotonic() < deadline, "the resource is not served"
        time.sleep(0.05)


class Statuses:
    def __init__(self, cluster, namespace: str):
        self.cluster = cluster
        self.namespace = namespace
        self.base = f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{namespace}/secretproviderclasspodstatuses"

    def get(self, name: str) -> dict:
        return self.cluster.must("GET", f"{self.base}/{name}")

    def names(self) -> set:
        return {item["metadata"]["name"] for item in self.cluster.must("GET", self.base)["items"]}

    def command(self, pod: dict, volume: str = "v", node: str = "n1", spc: str = "app", **objects) -> dict:
        uid = pod["metadata"]["uid"]
        return {"node": node, "status": {
            "namespace": self.namespace, "pod": pod["metadata"]["name"], "uid": uid, "class": spc, "volume": volume,
            "target": f"/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/{volume}/mount", "objects": objects}}


@pytest.fixture
def statuses(cluster, namespace, status_resource) -> Statuses:
    return Statuses(cluster, namespace)


def test_pod_status_is_as_upstream_writes_it_and_written_on_change_only(cluster, statuses, namespace, probe, start_probe):
    pod = cluster.create_pod(namespace, "web-0")
    answer = must(probe.do(statuses.command(pod, b="2", a="1")))
    name = f"web-0-{namespace}-app"
    made = statuses.get(name)
    assert made["status"] == {
        "podName": "web-0", "secretProviderClassName": "app", "mounted": True, "objects": [{"id": "a", "version": "1"}, {"id": "b", "version": "2"}],
        "targetPath": f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~csi/v/mount"}
    assert made["metadata"]["labels"] == {"internal.secrets-store.csi.k8s.io/node-name": "n1"}
    assert made["metadata"]["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": pod["metadata"]["uid"]}]
    assert answer["owner"] == {"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClassPodStatus", "name": name,
                               "uid": made["metadata"]["uid"]}
    must(probe.do(statuses.command(pod, a="1", b="2")))
    with start_probe() as after_restart:
        assert must(after_restart.do(statuses.command(pod, a="1", b="2")))["owner"] == answer["owner"]
    assert statuses.get(name)["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    must(probe.do(statuses.command(pod, a="1", b="3")))
    assert statuses.get(name)["status"]["objects"][1] == {"id": "b", "version": "3"}


def test_two_volumes_of_one_class_have_a_status_each(cluster, statuses, namespace, probe, start_probe):
    pod = cluster.create_pod(namespace, "web-0")
    for answer in probe.together(statuses.command(pod, "left", a="1"), statuses.command(pod, "right", a="1")):
        must(answer)
    names = statuses.names()
    assert len(names) == 2 and f"web-0-{namespace}-app" in names
    with start_probe() as after_restart:
        for volume in ("right", "left"):
            must(after_restart.do(statuses.command(pod, volume, a="2")))
    assert statuses.names() == names
    assert {statuses.get(name)["status"]["targetPath"].split("/")[-2] for name in names} == {"left", "right"}
    assert all(statuses.get(name)["status"]["objects"] == [{"id": "a", "version": "2"}] for name in names)


def test_an_emptied_status_is_repaired(cluster, statuses, namespace, start_probe):
    pod = cluster.create_pod(namespace, "web-0")
    with start_probe() as first:
        must(first.do(statuses.command(pod, a="1")))
    name = f"web-0-{namespace}-app"
    cluster.must("PATCH", f"{statuses.base}/{name}", {"metadata": {"labels": None, "annotations": {"note": "mine"}}, "status": None},
                 {"Content-Type": "application/merge-patch+json"})
    with start_probe() as second:
        must(second.do(statuses.command(pod, node="n2", a="1")))
    mended = statuses.get(name)
    assert mended["metadata"]["labels"] == {"internal.secrets-store.csi.k8s.io/node-name": "n2"}
    assert mended["metadata"]["annotations"] == {"note": "mine"}
    assert mended["status"]["mounted"] is True


def test_the_status_of_a_pod_of_the_same_name_is_replaced(cluster, statuses, namespace, probe):
    # The garbage collector deletes the status object of a missing pod concurrently.
    predecessor = {"metadata": {"name": "web-0", "uid": "11111111-1111-1111-1111-111111111111"}}
    successor = cluster.create_pod(namespace, "web-0")
    must(probe.do(statuses.command(predecessor, a="1")))
    must(probe.do(statuses.command(successor, a="2")))
    [name] = statuses.names()
    assert [owner["uid"] for owner in statuses.get(name)["metadata"]["ownerReferences"]] == [successor["metadata"]["uid"]]


def test_names_that_would_be_too_long_are_cut_and_stay_apart(cluster, statuses, namespace, probe):
    pods = [cluster.create_pod(namespace, "p" * 200 + last) for last in "ab"]
    for pod in pods:
        must(probe.do(statuses.command(pod, node="n" * 100, spc="c" * 200, a="1")))
    names = statuses.names()
    assert len(names) == 2
    assert all(len(name) <= 253 for name in names)


def test_a_pod_without_owner_owns_through_its_status(cluster, shop, statuses, probe):
    pod = cluster.create_pod(shop.namespace, "lonely")
    owner = must(probe.do(statuses.command(pod, a="1")))["owner"]
    must(probe.do(shop.write("n1", "p1/v", [owner])))
    assert shop.owners("app") == {owner["uid"]}
    cluster.delete(shop.namespace, "pods", "lonely")
    # The garbage collector looks for new kinds of objects every 30 seconds.
    shop.wait(lambda: shop.secret("app") is None, seconds=150)
