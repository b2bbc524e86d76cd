"""The CSI driver under faults: killed at each step, without an API server, without space. No partial volume, no orphan mount."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from harness.driver import Pod
from harness.kubelet import DRIVER, CallFailed
from harness.system_calls import KilledAt, Step, Watched
from test_driver import classes, crds, agent, store  # noqa: F401: fixtures

NODE = "node-of-the-integration-tests"

# The system calls that change a volume, and those that send requests to the API server.
CHANGES = ("mkdir", "mount", "umount2", "mkdirat", "write", "fchmod", "symlinkat", "renameat", "unlinkat", "unlink", "rmdir")
REQUESTS = ("sendto",)
FIRST = {"user": "alice", "password": "first"}
SECOND = {"user": "bob", "password": "second"}


class Shop:
    """Pods of the namespace, each with its own class, which mirrors into its own Secret."""

    def __init__(self, cluster, namespace: str, classes, kubelet):
        self.cluster = cluster
        self.namespace = namespace
        self._classes = classes
        self._kubelet = kubelet
        self._made = 0

    def volume(self, owner: dict | None = None, spc: str = ""):
        """Creates a pod object, and the directory of its volume. `spc`: the class of another pod to share."""
        self._made += 1
        name = f"p{self._made}"
        if not spc:
            self._classes.create(name, secretObjects=[
                {"secretName": name, "type": "Opaque", "data": [{"objectName": key, "key": key} for key in FIRST]}])
        made = self.cluster.must("POST", f"/api/v1/namespaces/{self.namespace}/pods", {
            "metadata": {"name": name, "ownerReferences": [owner] if owner else []},
            "spec": {"nodeName": NODE, "containers": [{"name": "main", "image": "app"}], "automountServiceAccountToken": False,
                     "volumes": [{"name": "secrets", "csi": {"driver": DRIVER, "readOnly": True,
                                                             "volumeAttributes": {"secretProviderClass": spc or name}}}]}})
        return self._kubelet.volume(Pod(self.namespace, name, made["metadata"]["uid"]), spc or name)

    def owner(self, name: str) -> dict:
        return self.cluster.create_replica_set(self.namespace, name)

    def secret(self, volume) -> dict | None:
        reply = self.cluster.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{volume.spc}")
        assert reply.ok or reply.status == 404, reply.text
        return reply.json if reply.ok else None

    def mirrored(self, volume) -> dict:
        secret = self.secret(volume) or {}
        return {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}

    def status(self, volume) -> dict:
        return self.cluster.must("GET", f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{self.namespace}"
                                        f"/secretproviderclasspodstatuses/{volume.pod.name}-{self.namespace}-{volume.spc}")

    def names(self, path: str) -> list:
        return [item["metadata"]["name"] for item in self.cluster.must("GET", path)["items"]]

    def left(self) -> list:
        """Names of the objects that must be removed with their pods: Secrets and status objects."""
        return (self.names(f"/api/v1/namespaces/{self.namespace}/secrets?labelSelector=secrets-store.csi.k8s.io/managed=true")
                + self.names(f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{self.namespace}/secretproviderclasspodstatuses"))

    def delete_pod(self, volume) -> None:
        self.cluster.delete(self.namespace, "pods", volume.pod.name)


@pytest.fixture
def shop(cluster, namespace, classes, kubelet) -> Shop:
    return Shop(cluster, namespace, classes, kubelet)


def seen(volume) -> dict:
    """The content of the files that can be opened."""
    found = {}
    for name in FIRST:
        with contextlib.suppress(FileNotFoundError):
            found[name] = volume.read(name)
    return found


def mounts_below(root: pathlib.Path) -> list:
    return [where for where in (line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
            if where.startswith(f"{root}/")]


def assert_whole(volume, content: dict) -> None:
    assert seen(volume) == content
    assert mounts_below(volume.root).count(str(volume.target)) == 1
    names = sorted(path.name for path in volume.target.iterdir())
    assert [name for name in names if not name.startswith("..")] == sorted(FIRST)
    assert [name for name in names if name.startswith("..")] == [(volume.target / "..data").readlink().name, "..data"]


def assert_gone(volume) -> None:
    assert mounts_below(volume.root) == []
    assert not volume.target.exists()


def assert_mirrored(shop, volume, content: dict, owner: dict | None = None) -> None:
    status = shop.status(volume)
    assert status["status"]["targetPath"] == str(volume.target)
    assert [entry["id"] for entry in status["status"]["objects"]] == sorted(FIRST)
    assert shop.mirrored(volume) == content
    kind = {"kind": "SecretProviderClassPodStatus", "uid": status["metadata"]["uid"]} if owner is None else owner
    [named] = shop.secret(volume)["metadata"]["ownerReferences"]
    assert {key: named[key] for key in ("kind", "uid")} == {key: kind[key] for key in ("kind", "uid")}


def died(agent) -> bool:
    """Whether the agent dies within 20 seconds."""
    with contextlib.suppress(AssertionError):
        agent.wait_for(lambda: not agent.running, "the end of the agent", 20, every=0.01)
    return not agent.running


def start_again(agent, kubelet) -> None:
    agent.kill()
    agent.start()
    kubelet.register()


def settle(agent, kubelet, shop, volume, content: dict, old: dict | None = None) -> None:
    """After a kill: restarts the agent, repeats kubelet's publish, and checks that the volume and the Secret are complete."""
    start_again(agent, kubelet)
    kubelet.publish(volume)
    # A complete volume is published without a read, and refreshed afterwards.
    assert seen(volume) in (content, old or content)
    agent.wait_for(lambda: seen(volume) == content, "the content", 40, every=0.02)
    agent.wait_for(lambda: condition(agent, volume) == "up to date", "the refresh of the recovered volume", 40, every=0.02)
    assert_whole(volume, content)
    assert_mirrored(shop, volume, content)


def condition(agent, volume) -> str:
    [found] = [each for each in agent.status()["volumes"] if each["targetPath"] == str(volume.target)]
    return found["condition"]


def publish_as_kubelet_does(kubelet, volume, seconds: float = 30.0) -> None:
    """Retries until it succeeds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return kubelet.publish(volume)
        except CallFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def end(kubelet, shop, volume) -> None:
    kubelet.unpublish(volume)
    assert_gone(volume)
    shop.delete_pod(volume)


# -- foreign files


def test_a_volume_whose_vol_data_cannot_be_read_costs_no_other(agent, kubelet, shop):
    healthy = shop.volume()
    kubelet.publish(healthy)
    unreadable = {"a-directory": os.mkdir, "a-pipe": os.mkfifo, "an-io-error": lambda path: os.symlink("/proc/self/mem", path)}
    paths = set()
    for pod, make in unreadable.items():
        path = kubelet.root / "pods" / pod / "volumes" / "kubernetes.io~csi" / "secrets" / "vol_data.json"
        path.parent.mkdir(parents=True)
        make(path)
        paths.add(str(path))
    start_again(agent, kubelet)
    agent.wait_for(lambda: agent.http("/readyz")[0] == 200, "readiness", 20)
    agent.wait_for(lambda: [each["target"] for each in agent.events("volume recovered")][-1:] == [str(healthy.target)],
                  "the volume that can be read", 20)
    assert {line["path"] for line in agent.logs() if "vol_data.json" in line.get("event", "")} == paths
    assert not agent.events("unexpected exception in a thread")
    assert "nodekeep_internal_errors_total{" not in agent.metrics_text()


# -- killed at each step


@pytest.fixture
def steps_of(agent):
    """The system calls of an operation: `steps_of(calls, about, operation)`."""
    def steps(calls: tuple, about: str, operation) -> list[Step]:
        with Watched(agent.pid, calls) as watched:
            operation()
        return watched.steps(about)

    return steps


def port_of(cluster) -> str:
    """The API server's port in the trace's format."""
    return ":" + cluster.url.rsplit(":", 1)[1] + "]"


def expected(steps: list[Step], at_least: dict) -> list[Step]:
    """Checks that the trace is complete: with missing steps, the test would pass without testing them."""
    for call, count in at_least.items():
        assert sum(step.call == call for step in steps) >= count, (call, [str(step) for step in steps])
    return steps


@pytest.mark.parametrize("calls", [CHANGES, REQUESTS], ids=["changes", "requests"])
def test_killed_at_each_step_of_a_first_publish(agent, kubelet, shop, cluster, steps_of, calls):
    volume = shop.volume()
    if calls is CHANGES:
        # Between the last change and the response, the writer looks for leftovers; the final step is a kill there.
        made = steps_of(calls + ("readlinkat",), str(volume.target), lambda: kubelet.publish(volume))
        steps = [step for step in made[:-1] if step.call != "readlinkat"] + made[-1:]
        expected(steps, {"mkdir": 1, "mount": 1, "mkdirat": 1, "write": 2, "fchmod": 3, "symlinkat": 3, "renameat": 1,
                         "readlinkat": 1})
    else:
        steps = expected(steps_of(calls, port_of(cluster), lambda: kubelet.publish(volume)), {"sendto": 5})
    assert_whole(volume, FIRST)
    assert_mirrored(shop, volume, FIRST)
    end(kubelet, shop, volume)

    survived = []
    for step in steps:
        volume = shop.volume()
        with KilledAt(agent.pid, step):
            try:
                kubelet.publish(volume)
                survived.append(step)
            except CallFailed:
                assert died(agent), step
        assert seen(volume) in ({}, FIRST), step
        settle(agent, kubelet, shop, volume, FIRST)
        end(kubelet, shop, volume)
    assert_killed(calls, steps, survived)
    assert_nothing_left(agent, shop)


def assert_killed(calls: tuple, steps: list, survived: list) -> None:
    # The number of requests per packet varies between runs.
    assert len(survived) <= (len(steps) // 3 if calls is REQUESTS else 0), [str(step) for step in survived]


def assert_nothing_left(agent, shop) -> None:
    """Waits until the pods' objects are removed from the cluster; its garbage collector discovers new kinds twice a minute."""
    agent.wait_for(lambda: shop.left() == [], "the removal of all Secrets and status objects", 120)


@pytest.mark.parametrize("step", [Step("mkdirat", 1), Step("renameat", 1)], ids=str)
def test_a_volume_whose_first_write_was_killed_is_never_taken_for_complete(agent, kubelet, shop, store, step):
    """Otherwise the pod would start without its files: recovered volumes are published without a call to the provider."""
    volume = shop.volume()
    with KilledAt(agent.pid, step):
        with pytest.raises(CallFailed):
            kubelet.publish(volume)
        assert died(agent)
    assert volume.mounted
    store.secrets.clear()
    store.put()
    start_again(agent, kubelet)
    agent.wait_for(lambda: agent.http("/readyz")[0] == 200, "the pods of the node", 10)
    kubelet.failure(volume)
    assert_gone(volume)


def rotate(agent, store, content: dict) -> None:
    """Returns once the agent has the new values or is dead; volumes and Secrets are updated later."""
    store.put(**content)
    changed = []

    def refreshed() -> bool:
        asked = agent.cli("refresh", "--all", "-o", "json", check=False)
        if not agent.running or asked.returncode != 0:
            return not agent.running
        changed.append(json.loads(asked.stdout)["changed"])
        # Each pod's values are read separately, and the store may change in between: wait for a refresh without changes.
        return max(changed) > 0 and changed[-1] == 0

    agent.wait_for(refreshed, "the new values in the cache", 10, every=0.02)


@pytest.mark.parametrize("calls", [CHANGES, REQUESTS], ids=["changes", "requests"])
def test_killed_at_each_step_of_a_rotation(agent, kubelet, shop, cluster, store, steps_of, calls):
    volume = shop.volume()
    kubelet.publish(volume)

    def whole_rotation():
        rotate(agent, store, SECOND)
        agent.wait_for(lambda: shop.mirrored(volume) == SECOND and condition(agent, volume) == "up to date", "the rotation", 10)

    about = str(volume.target) if calls is CHANGES else port_of(cluster)
    at_least = {"mkdirat": 1, "write": 2, "fchmod": 3, "symlinkat": 1, "renameat": 1, "unlinkat": 4}
    steps = expected(steps_of(calls, about, whole_rotation), at_least if calls is CHANGES else {"sendto": 4})
    old, new = SECOND, FIRST
    survived = []
    for step in steps:
        with KilledAt(agent.pid, step):
            rotate(agent, store, new)
            if not died(agent):
                survived.append(step)
        assert seen(volume) in (old, new), step
        settle(agent, kubelet, shop, volume, new, old)
        old, new = new, old
    assert_killed(calls, steps, survived)


def test_killed_at_each_step_of_an_unpublish(agent, kubelet, shop, steps_of):
    kept, volume = shop.volume(shop.owner("web")), shop.volume()
    kubelet.publish(kept)
    kubelet.publish(volume)
    steps = expected(steps_of(CHANGES, str(volume.target), lambda: kubelet.unpublish(volume)), {"umount2": 1, "rmdir": 1})
    for step in steps:
        volume = shop.volume()
        kubelet.publish(volume)
        with KilledAt(agent.pid, step):
            with pytest.raises(CallFailed):
                kubelet.unpublish(volume)
            assert died(agent), step
        assert seen(volume) in ({}, FIRST), step
        start_again(agent, kubelet)
        kubelet.unpublish(volume)
        assert not volume.target.exists()
        assert mounts_below(kubelet.root) == [str(kept.target)]
    # An earlier process of the agent created its Secret; the owner of its pod still exists.
    kubelet.unpublish(kept)
    assert_gone(kept)
    agent.wait_for(lambda: shop.secret(kept) is None, "the Secret's deletion, a minute after its last pod", 90, every=1)


# -- without an API server


@pytest.fixture
def line(toxiproxy, cluster):
    """The proxy between the agent of `cut_off_agent` and the API server."""
    proxy = toxiproxy.add(f"127.0.0.1:{cluster.url.rsplit(':', 1)[1]}")
    yield proxy
    proxy.remove()


@pytest.fixture
def cut_off_agent(kubelet, start_agent, cluster, store, line, tmp_path):
    config = json.loads(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{line.port}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    agent = start_agent(providers=("dev",), kubeconfig=kubeconfig, kubelet=kubelet,
                        config={"providers": {"dev": {"path": str(store.path)}}})
    kubelet.register()
    agent.wait_for(lambda: agent.http("/readyz")[0] == 200, "the pods of the node", 10)
    return agent


@pytest.mark.parametrize("fault", ["refused", "hung"])
def test_without_an_api_server(cut_off_agent, kubelet, shop, store, line, fault):
    web, jobs = shop.owner("web"), shop.owner("jobs")
    old = shop.volume(web)
    kubelet.publish(old)
    assert_mirrored(shop, old, FIRST, web)
    unknown, known = shop.volume(), shop.volume(jobs, spc=old.spc)

    line.down() if fault == "refused" else line.hang()
    failed = kubelet.failure(unknown)
    assert failed.message.startswith(f"failed to get secretproviderclass {shop.namespace}/{unknown.spc}, error: kubernetes: GET ")
    assert mounts_below(kubelet.root) == [str(old.target)]
    assert not unknown.target.exists()

    # A class in use on the node is cached; the Secret is updated later.
    kubelet.publish(known)
    assert_whole(known, FIRST)
    took = [timed(lambda: kubelet.publish(old))]
    rotate(cut_off_agent, store, SECOND)
    cut_off_agent.wait_for(lambda: seen(old) == seen(known) == SECOND, "the new files", 10)
    assert shop.mirrored(old) == FIRST
    took.append(timed(lambda: kubelet.unpublish(old)))
    assert mounts_below(kubelet.root) == [str(known.target)]
    assert max(took) < 8  # neither waits for the server, which would take at least fifteen seconds

    line.heal()
    cut_off_agent.wait_for(lambda: shop.mirrored(known) == SECOND, "the Secret", 150)
    publish_as_kubelet_does(kubelet, unknown, 60)
    assert_whole(unknown, SECOND)
    if fault == "refused":  # a released owner is kept for a minute; waiting once is enough
        cut_off_agent.wait_for(lambda: owners(shop, known) == [jobs["uid"]], "the removal of the deleted pod's owner", 100)
        assert_mirrored(shop, known, SECOND, jobs)


def timed(operation) -> float:
    began = time.monotonic()
    operation()
    return time.monotonic() - began


def owners(shop, volume) -> list:
    return [owner["uid"] for owner in shop.secret(volume)["metadata"]["ownerReferences"]]


# -- without space


def condition_of(agent, volume, text: str) -> str:
    """Waits until the volume's condition contains `text`; returns it."""
    return agent.wait_for(lambda: text in condition(agent, volume) and condition(agent, volume), text, 10, every=0.02)


def events(shop, volume, reason: str) -> list:
    return [event["message"] for event in shop.cluster.must("GET", f"/api/v1/namespaces/{shop.namespace}/events")["items"]
            if event["reason"] == reason and event["involvedObject"]["name"] == volume.pod.name]


def other_pods_are_not_harmed(agent, kubelet, shop, volume, content: dict) -> None:
    """Checks that another volume is updated while one fails, and that a new volume can be published and unpublished."""
    agent.wait_for(lambda: seen(volume) == content, "the other volume's new files", 10, every=0.02)
    fresh = shop.volume()
    kubelet.publish(fresh)
    assert_whole(fresh, content)
    kubelet.unpublish(fresh)
    assert not fresh.target.exists()


@pytest.fixture
def small_agent(kubelet, start_agent, cluster, store):
    """An agent with volumes of 64 KiB."""
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet, config={
        "providers": {"dev": {"path": str(store.path)}}, "driver": {"volumeSize": "64KiB"}})
    kubelet.register()
    return agent


def test_content_that_does_not_fit_a_volume(small_agent, kubelet, shop, store):
    store.put(user="x" * 100_000)
    start_again(small_agent, kubelet)  # so that it has read the store
    volume = shop.volume()
    failed = kubelet.failure(volume)
    for text in ("the files have 100005 bytes and the volume 65536", "raise driver.volumeSize"):
        assert text in failed.message
    assert_gone(volume)
    rotate(small_agent, store, FIRST)
    kubelet.publish(volume)
    assert_whole(volume, FIRST)


def test_a_rotation_that_does_not_fit_keeps_the_old_files(small_agent, kubelet, shop, store):
    volume = shop.volume()
    kubelet.publish(volume)
    rotate(small_agent, store, {"user": "x" * 100_000})
    why = condition_of(small_agent, volume, "rotation failing")
    for text in ('write "user": no space left on device', "the old set stays", "the files have 100005 bytes",
                 "raise driver.volumeSize"):
        assert text in why
    small_agent.wait_for(lambda: "the old set stays" in "".join(events(shop, volume, "MountRotationFailed")), "the event", 10)
    assert_whole(volume, FIRST)
    kubelet.publish(volume)
    rotate(small_agent, store, SECOND)
    condition_of(small_agent, volume, "up to date")
    assert_whole(volume, SECOND)


@pytest.mark.parametrize("free", range(4))
def test_a_volume_without_a_free_inode_keeps_the_old_files(agent, kubelet, shop, store, free):
    """A new set of files needs four: its directory, two files, the link that is renamed."""
    volume, other = shop.volume(), shop.volume()
    kubelet.publish(volume)
    kubelet.publish(other)
    found = os.statvfs(volume.target)
    limit(volume.target, found.f_files - found.f_ffree + free)
    rotate(agent, store, SECOND)
    condition_of(agent, volume, "the old set stays")
    assert_whole(volume, FIRST)
    other_pods_are_not_harmed(agent, kubelet, shop, other, SECOND)
    limit(volume.target, 0)
    rotate(agent, store, FIRST)
    condition_of(agent, volume, "up to date")
    assert_whole(volume, FIRST)


def test_a_foreign_file_that_fills_the_volume_keeps_the_old_files(agent, kubelet, shop, store):
    volume = shop.volume()
    kubelet.publish(volume)
    with open(volume.target / "foreign", "wb") as foreign, contextlib.suppress(OSError):
        while True:
            foreign.write(bytes(1 << 20))
            foreign.flush()
    rotate(agent, store, SECOND)
    condition_of(agent, volume, "the old set stays")
    assert seen(volume) == FIRST
    kubelet.unpublish(volume)
    assert_gone(volume)


def limit(mounted: pathlib.Path, inodes: int) -> None:
    """Remounts with this number of inodes; 0 = unlimited."""
    subprocess.run(["mount", "-o", f"remount,nr_inodes={inodes}", mounted], check=True)


def test_a_full_file_system_below_kubelet(agent, kubelet, shop, store):
    """Kubelet's directories exist, but no more can be created."""
    other = shop.volume()
    pods = kubelet.root / "pods"
    shutil.rmtree(pods)
    pods.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", pods], check=True)
    other.directory.mkdir(parents=True)
    volume = shop.volume()
    kubelet.publish(other)
    found = os.statvfs(pods)
    limit(pods, found.f_files - found.f_ffree)

    failed = kubelet.failure(volume)
    assert f"create directory {volume.target}: No space left on device" in failed.message
    assert not volume.target.exists()
    assert mounts_below(kubelet.root) == [str(pods), str(other.target)]
    rotate(agent, store, SECOND)
    agent.wait_for(lambda: seen(other) == SECOND, "the other volume's new files", 10)
    kubelet.unpublish(other)
    assert mounts_below(kubelet.root) == [str(pods)]
    # The inode of the other volume is free again.
    kubelet.publish(volume)
    assert_whole(volume, SECOND)
    kubelet.unpublish(volume)
    assert not volume.target.exists()
