"""The driver door under faults: killed at each step, without an API server, without space. No partial volume, no orphan mount."""

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
from test_driver_door import classes, crds, door, store  # noqa: F401: fixtures

NODE = "node-of-the-integration-tests"

# What changes a volume, and what is sent to the API server.
CHANGES = ("mkdir", "mount", "umount2", "mkdirat", "write", "fchmod", "symlinkat", "renameat", "unlinkat", "unlink", "rmdir")
REQUESTS = ("sendto",)
FIRST = {"user": "alice", "password": "first"}
SECOND = {"user": "bob", "password": "second"}


class Shop:
    """Pods of the namespace, each with a class of its own that mirrors into a Secret of its own."""

    def __init__(self, cluster, namespace: str, classes, kubelet):
        self.cluster = cluster
        self.namespace = namespace
        self._classes = classes
        self._kubelet = kubelet
        self._made = 0

    def volume(self, owner: dict | None = None, spc: str = ""):
        """A pod that the API server knows, and the directory of its volume. `spc`: of another pod, which it shares."""
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
        """Names of what goes with its pods: Secrets and status objects."""
        return (self.names(f"/api/v1/namespaces/{self.namespace}/secrets?labelSelector=secrets-store.csi.k8s.io/managed=true")
                + self.names(f"/apis/secrets-store.csi.x-k8s.io/v1/namespaces/{self.namespace}/secretproviderclasspodstatuses"))

    def delete_pod(self, volume) -> None:
        self.cluster.delete(self.namespace, "pods", volume.pod.name)


@pytest.fixture
def shop(cluster, namespace, classes, kubelet) -> Shop:
    return Shop(cluster, namespace, classes, kubelet)


def seen(volume) -> dict:
    """What a reader finds: the files that can be opened."""
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


def died(door) -> bool:
    """Whether it dies soon."""
    with contextlib.suppress(AssertionError):
        door.wait_for(lambda: not door.running, "the death", 20, every=0.01)
    return not door.running


def start_again(door, kubelet) -> None:
    door.kill()
    door.start()
    kubelet.register()


def settle(door, kubelet, shop, volume, content: dict, old: dict | None = None) -> None:
    """After a death: the agent is started again, kubelet repeats its request, and all is as if nothing had been."""
    start_again(door, kubelet)
    kubelet.publish(volume)
    # What was complete is answered at once, and refreshed then.
    assert seen(volume) in (content, old or content)
    door.wait_for(lambda: seen(volume) == content, "the content", 40, every=0.02)
    door.wait_for(lambda: condition(door, volume) == "up to date", "the refresh of what was found", 40, every=0.02)
    assert_whole(volume, content)
    assert_mirrored(shop, volume, content)


def condition(door, volume) -> str:
    [found] = [each for each in door.status()["volumes"] if each["targetPath"] == str(volume.target)]
    return found["condition"]


def publish_as_kubelet_does(kubelet, volume, seconds: float = 30.0) -> None:
    """Again and again until it succeeds."""
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


# -- files of others


def test_a_volume_whose_vol_data_cannot_be_read_costs_no_other(door, kubelet, shop):
    healthy = shop.volume()
    kubelet.publish(healthy)
    unreadable = {"a-directory": os.mkdir, "a-pipe": os.mkfifo, "an-io-error": lambda path: os.symlink("/proc/self/mem", path)}
    paths = set()
    for pod, make in unreadable.items():
        path = kubelet.root / "pods" / pod / "volumes" / "kubernetes.io~csi" / "secrets" / "vol_data.json"
        path.parent.mkdir(parents=True)
        make(path)
        paths.add(str(path))
    start_again(door, kubelet)
    door.wait_for(lambda: door.http("/readyz")[0] == 200, "readiness", 20)
    door.wait_for(lambda: [each["target"] for each in door.events("volume found again")][-1:] == [str(healthy.target)],
                  "the volume that can be read", 20)
    assert {line["path"] for line in door.logs() if "vol_data.json" in line.get("event", "")} == paths
    assert not door.events("unexpected exception in a thread")
    assert "nodekeep_internal_errors_total{" not in door.metrics_text()


# -- killed at each step


@pytest.fixture
def steps_of(door):
    """The steps that an operation takes: `steps_of(calls, about, operation)`."""
    def steps(calls: tuple, about: str, operation) -> list[Step]:
        with Watched(door.pid, calls) as watched:
            operation()
        return watched.steps(about)

    return steps


def port_of(cluster) -> str:
    """As the trace writes it behind the address."""
    return ":" + cluster.url.rsplit(":", 1)[1] + "]"


def expected(steps: list[Step], at_least: dict) -> list[Step]:
    """A trace that misses a step would let a test pass that looks at nothing."""
    for call, count in at_least.items():
        assert sum(step.call == call for step in steps) >= count, (call, [str(step) for step in steps])
    return steps


@pytest.mark.parametrize("calls", [CHANGES, REQUESTS], ids=["changes", "requests"])
def test_killed_at_each_step_of_a_first_publish(door, kubelet, shop, cluster, steps_of, calls):
    volume = shop.volume()
    if calls is CHANGES:
        # After the last change, before the answer, the writer looks for leftovers.
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
        with KilledAt(door.pid, step):
            try:
                kubelet.publish(volume)
                survived.append(step)
            except CallFailed:
                assert died(door), step
        assert seen(volume) in ({}, FIRST), step
        settle(door, kubelet, shop, volume, FIRST)
        end(kubelet, shop, volume)
    assert_killed(calls, steps, survived)
    assert_nothing_left(door, shop)


def assert_killed(calls: tuple, steps: list, survived: list) -> None:
    # How requests share packets differs a little from run to run.
    assert len(survived) <= (len(steps) // 3 if calls is REQUESTS else 0), [str(step) for step in survived]


def assert_nothing_left(door, shop) -> None:
    """Nor in the cluster; its garbage collector learns of new kinds twice a minute."""
    door.wait_for(lambda: shop.left() == [], "the end of what pods left in the cluster", 120)


@pytest.mark.parametrize("step", [Step("mkdirat", 1), Step("renameat", 1)], ids=str)
def test_a_volume_whose_first_write_was_killed_is_never_taken_for_complete(door, kubelet, shop, store, step):
    """Else its pod starts without its files: what the agent finds on the node is answered without a look at the provider."""
    volume = shop.volume()
    with KilledAt(door.pid, step):
        with pytest.raises(CallFailed):
            kubelet.publish(volume)
        assert died(door)
    assert volume.mounted
    store.secrets.clear()
    store.put()
    start_again(door, kubelet)
    door.wait_for(lambda: door.http("/readyz")[0] == 200, "the pods of the node", 10)
    kubelet.failure(volume)
    assert_gone(volume)


def rotate(door, store, content: dict) -> None:
    """Returns once the agent has the new values, or is dead; volumes and Secrets follow."""
    store.put(**content)
    changed = []

    def asked_again() -> bool:
        asked = door.cli("refresh", "--all", "-o", "json", check=False)
        if not door.running or asked.returncode != 0:
            return not door.running
        changed.append(json.loads(asked.stdout)["changed"])
        # Each pod's values are asked for by themselves, and the store may change between two of them: nothing new is left to come.
        return max(changed) > 0 and changed[-1] == 0

    door.wait_for(asked_again, "the new values in the cache", 10, every=0.02)


@pytest.mark.parametrize("calls", [CHANGES, REQUESTS], ids=["changes", "requests"])
def test_killed_at_each_step_of_a_rotation(door, kubelet, shop, cluster, store, steps_of, calls):
    volume = shop.volume()
    kubelet.publish(volume)

    def whole_rotation():
        rotate(door, store, SECOND)
        door.wait_for(lambda: shop.mirrored(volume) == SECOND and condition(door, volume) == "up to date", "the rotation", 10)

    about = str(volume.target) if calls is CHANGES else port_of(cluster)
    at_least = {"mkdirat": 1, "write": 2, "fchmod": 3, "symlinkat": 1, "renameat": 1, "unlinkat": 4}
    steps = expected(steps_of(calls, about, whole_rotation), at_least if calls is CHANGES else {"sendto": 4})
    old, new = SECOND, FIRST
    survived = []
    for step in steps:
        with KilledAt(door.pid, step):
            rotate(door, store, new)
            if not died(door):
                survived.append(step)
        assert seen(volume) in (old, new), step
        settle(door, kubelet, shop, volume, new, old)
        old, new = new, old
    assert_killed(calls, steps, survived)


def test_killed_at_each_step_of_an_unpublish(door, kubelet, shop, steps_of):
    kept, volume = shop.volume(shop.owner("web")), shop.volume()
    kubelet.publish(kept)
    kubelet.publish(volume)
    steps = expected(steps_of(CHANGES, str(volume.target), lambda: kubelet.unpublish(volume)), {"umount2": 1, "rmdir": 1})
    for step in steps:
        volume = shop.volume()
        kubelet.publish(volume)
        with KilledAt(door.pid, step):
            with pytest.raises(CallFailed):
                kubelet.unpublish(volume)
            assert died(door), step
        assert seen(volume) in ({}, FIRST), step
        start_again(door, kubelet)
        kubelet.unpublish(volume)
        assert not volume.target.exists()
        assert mounts_below(kubelet.root) == [str(kept.target)]
    # Whose Secret an earlier life of the agent made; the owner of its pod lives on.
    kubelet.unpublish(kept)
    assert_gone(kept)
    door.wait_for(lambda: shop.secret(kept) is None, "the Secret's end, a minute after its last pod", 90, every=1)


# -- without an API server


@pytest.fixture
def line(toxiproxy, cluster):
    """What the agent of `cut_door` reaches the API server through."""
    proxy = toxiproxy.add(f"127.0.0.1:{cluster.url.rsplit(':', 1)[1]}")
    yield proxy
    proxy.remove()


@pytest.fixture
def cut_door(kubelet, start_agent, cluster, store, line, tmp_path):
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
def test_without_an_api_server(cut_door, kubelet, shop, store, line, fault):
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

    # A class that is in use on the node is known; what is mirrored follows.
    kubelet.publish(known)
    assert_whole(known, FIRST)
    took = [timed(lambda: kubelet.publish(old))]
    rotate(cut_door, store, SECOND)
    cut_door.wait_for(lambda: seen(old) == seen(known) == SECOND, "the new files", 10)
    assert shop.mirrored(old) == FIRST
    took.append(timed(lambda: kubelet.unpublish(old)))
    assert mounts_below(kubelet.root) == [str(known.target)]
    assert max(took) < 8  # neither waits for the server: that would be fifteen seconds at least

    line.heal()
    cut_door.wait_for(lambda: shop.mirrored(known) == SECOND, "the Secret", 150)
    publish_as_kubelet_does(kubelet, unknown, 60)
    assert_whole(unknown, SECOND)
    if fault == "refused":  # the minute that a released owner lingers, once is enough
        cut_door.wait_for(lambda: owners(shop, known) == [jobs["uid"]], "the end of the claim of the pod that has gone", 100)
        assert_mirrored(shop, known, SECOND, jobs)


def timed(operation) -> float:
    began = time.monotonic()
    operation()
    return time.monotonic() - began


def owners(shop, volume) -> list:
    return [owner["uid"] for owner in shop.secret(volume)["metadata"]["ownerReferences"]]


# -- without space


def condition_of(door, volume, text: str) -> str:
    """The volume's condition, once it says that."""
    return door.wait_for(lambda: text in condition(door, volume) and condition(door, volume), text, 10, every=0.02)


def events(shop, volume, reason: str) -> list:
    return [event["message"] for event in shop.cluster.must("GET", f"/api/v1/namespaces/{shop.namespace}/events")["items"]
            if event["reason"] == reason and event["involvedObject"]["name"] == volume.pod.name]


def other_pods_are_not_harmed(door, kubelet, shop, volume, content: dict) -> None:
    """A neighbour of the volume in trouble follows the backend, and a new one comes and goes."""
    door.wait_for(lambda: seen(volume) == content, "the neighbour's new files", 10, every=0.02)
    fresh = shop.volume()
    kubelet.publish(fresh)
    assert_whole(fresh, content)
    kubelet.unpublish(fresh)
    assert not fresh.target.exists()


@pytest.fixture
def small_door(kubelet, start_agent, cluster, store):
    """Volumes of 64 KiB."""
    agent = start_agent(providers=("dev",), kubeconfig=cluster.kubeconfig, kubelet=kubelet, config={
        "providers": {"dev": {"path": str(store.path)}}, "driver": {"volumeSize": "64KiB"}})
    kubelet.register()
    return agent


def test_content_that_does_not_fit_a_volume(small_door, kubelet, shop, store):
    store.put(user="x" * 100_000)
    start_again(small_door, kubelet)  # that it has read the store
    volume = shop.volume()
    failed = kubelet.failure(volume)
    for text in ('write "user": no space left on device', "nothing is to be seen in the directory yet",
                 "the files have 100005 bytes and the volume 65536", "raise driver.volumeSize"):
        assert text in failed.message
    assert_gone(volume)
    rotate(small_door, store, FIRST)
    kubelet.publish(volume)
    assert_whole(volume, FIRST)


def test_a_rotation_that_does_not_fit_keeps_the_old_files(small_door, kubelet, shop, store):
    volume = shop.volume()
    kubelet.publish(volume)
    rotate(small_door, store, {"user": "x" * 100_000})
    why = condition_of(small_door, volume, "rotation failing")
    for text in ('write "user": no space left on device', "the old set stays", "the files have 100005 bytes",
                 "raise driver.volumeSize"):
        assert text in why
    small_door.wait_for(lambda: "the old set stays" in "".join(events(shop, volume, "MountRotationFailed")), "the event", 10)
    assert_whole(volume, FIRST)
    kubelet.publish(volume)
    rotate(small_door, store, SECOND)
    condition_of(small_door, volume, "up to date")
    assert_whole(volume, SECOND)


@pytest.mark.parametrize("free", range(4))
def test_a_volume_without_a_free_inode_keeps_the_old_files(door, kubelet, shop, store, free):
    """A new set takes four: its directory, two files, the link that is renamed."""
    volume, neighbour = shop.volume(), shop.volume()
    kubelet.publish(volume)
    kubelet.publish(neighbour)
    found = os.statvfs(volume.target)
    limit(volume.target, found.f_files - found.f_ffree + free)
    rotate(door, store, SECOND)
    condition_of(door, volume, "the old set stays")
    assert_whole(volume, FIRST)
    other_pods_are_not_harmed(door, kubelet, shop, neighbour, SECOND)
    limit(volume.target, 0)
    rotate(door, store, FIRST)
    condition_of(door, volume, "up to date")
    assert_whole(volume, FIRST)


def test_a_foreign_file_that_fills_the_volume_keeps_the_old_files(door, kubelet, shop, store):
    volume = shop.volume()
    kubelet.publish(volume)
    with open(volume.target / "foreign", "wb") as foreign, contextlib.suppress(OSError):
        while True:
            foreign.write(bytes(1 << 20))
            foreign.flush()
    rotate(door, store, SECOND)
    condition_of(door, volume, "the old set stays")
    assert seen(volume) == FIRST
    kubelet.unpublish(volume)
    assert_gone(volume)


def limit(mounted: pathlib.Path, inodes: int) -> None:
    """0: none."""
    subprocess.run(["mount", "-o", f"remount,nr_inodes={inodes}", mounted], check=True)


def test_a_full_file_system_below_kubelet(door, kubelet, shop, store):
    """Kubelet's own directories are there, and not one more can be made."""
    neighbour = shop.volume()
    pods = kubelet.root / "pods"
    shutil.rmtree(pods)
    pods.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", pods], check=True)
    neighbour.directory.mkdir(parents=True)
    volume = shop.volume()
    kubelet.publish(neighbour)
    found = os.statvfs(pods)
    limit(pods, found.f_files - found.f_ffree)

    failed = kubelet.failure(volume)
    assert f"create directory {volume.target}: No space left on device" in failed.message
    assert not volume.target.exists()
    assert mounts_below(kubelet.root) == [str(pods), str(neighbour.target)]
    rotate(door, store, SECOND)
    door.wait_for(lambda: seen(neighbour) == SECOND, "the neighbour's new files", 10)
    kubelet.unpublish(neighbour)
    assert mounts_below(kubelet.root) == [str(pods)]
    # There is room for one again: that of the neighbour.
    kubelet.publish(volume)
    assert_whole(volume, SECOND)
    kubelet.unpublish(volume)
    assert not volume.target.exists()
