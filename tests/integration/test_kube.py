"""The Kubernetes client with a real API server: its writes, and that its watches stay correct under faults."""

import json
import os
import pathlib
import time

import pytest

from bed.cluster import Cluster
from bed.freezing_proxy import FreezingProxy
from harness.kube_probe import KubeProbe

USER_AGENT = "nodekeep"


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory):
    """A cluster that tests may restart, with an audit log."""
    with Cluster(tmp_path_factory.mktemp("kube") / "cluster", audit=True) as started:
        yield started


@pytest.fixture
def space(own_cluster, unique) -> str:
    own_cluster.create_namespace(unique)
    yield unique
    own_cluster.delete_namespace(unique)


@pytest.fixture
def proxy(toxiproxy, own_cluster):
    proxy = toxiproxy.add(f"127.0.0.1:{port_of(own_cluster)}")
    yield proxy
    proxy.remove()


@pytest.fixture
def start_probe(nodekeep_binary, own_cluster, tmp_path):
    """`start_probe()` connects to the API server, `start_probe(port=...)` to a proxy in front of it."""
    binary = nodekeep_binary.parent / "kube-probe"
    if not os.access(binary, os.X_OK):
        pytest.fail(f"{binary} is not built: cmake --build {binary.parent} --target kube-probe", pytrace=False)
    probes = []

    def start(*, port: int | None = None, **options) -> KubeProbe:
        kubeconfig = own_cluster.kubeconfig
        if port is not None:
            config = json.loads(kubeconfig.read_text())
            config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
            kubeconfig = tmp_path / f"kubeconfig-{port}"
            kubeconfig.write_text(json.dumps(config))
        probes.append(KubeProbe(binary, kubeconfig, **options))
        return probes[-1]

    yield start
    for probe in probes:
        probe.__exit__()


def port_of(cluster) -> int:
    return int(cluster.url.rsplit(":", 1)[1])


def path_of(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def put(cluster, namespace: str, name: str, value: str = "1") -> None:
    body = {"metadata": {"name": name}, "data": {"value": value}}
    if not cluster.request("PUT", path_of(namespace, name), body).ok:
        cluster.must("POST", path_of(namespace), body)


def remove(cluster, namespace: str, name: str) -> None:
    cluster.must("DELETE", path_of(namespace, name))


def watch(probe: KubeProbe, namespace: str, name: str = "w") -> None:
    # Without the ConfigMap that Kubernetes creates in every namespace.
    probe.watch(name, path_of(namespace), fields="metadata.name!=kube-root-ca.crt")


def requests(cluster, namespace: str, verb: str) -> int:
    """The number of requests that the client has made in the namespace so far."""
    time.sleep(1.3)  # the audit log is written once a second
    entries = [json.loads(line) for line in cluster.audit_log.read_text().splitlines() if line.endswith("}")]
    # A watch has two entries: at the start and at the end of its response.
    return len({entry["auditID"] for entry in entries if entry.get("userAgent") == USER_AGENT and entry["verb"] == verb
                and entry.get("objectRef", {}).get("namespace") == namespace})


def connections(pid: int, port: int) -> int:
    """Established TCP connections of the process to that port of this host."""
    sockets = {os.readlink(entry) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir() if entry.is_symlink()}
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(f"socket:[{row[9]}]" in sockets and row[3] == "01" and int(row[2].split(":")[1], 16) == port for row in rows)


def status(pid: int, field: str) -> int:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1])


# -- writes


def test_writes_answer_with_metadata_and_conflicts_are_told(start_probe, space):
    probe = start_probe()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "dg=="}}
    secrets = f"/api/v1/namespaces/{space}/secrets"
    made = probe.ask("create", path=secrets, body=secret)["answer"]
    assert made["metadata"]["uid"] and "data" not in made
    assert probe.ask("create", path=secrets, body=secret)["code"] == "conflict"

    changed = {**secret, "data": {"k": "dzI="}, "metadata": {"name": "s", "resourceVersion": made["metadata"]["resourceVersion"]}}
    assert "data" not in probe.ask("update", path=f"{secrets}/s", body=changed)["answer"]
    stale = probe.ask("update", path=f"{secrets}/s", body=changed)
    assert stale["code"] == "conflict"
    assert stale["error"].startswith(f"kubernetes: PUT {secrets}/s: 409 Conflict: ")
    assert probe.ask("patch", path=f"{secrets}/s", body={"metadata": {"labels": {"a": "b"}}})["answer"]["metadata"]["labels"] == {"a": "b"}
    assert probe.ask("get", path=f"{secrets}/s")["answer"]["data"] == {"k": "dzI="}

    assert probe.ask("delete", path=f"{secrets}/s", uid="another")["code"] == "conflict"
    assert "error" not in probe.ask("delete", path=f"{secrets}/s", uid=made["metadata"]["uid"])
    assert "error" not in probe.ask("delete", path=f"{secrets}/s")
    assert probe.ask("get", path=f"{secrets}/s")["code"] == "not_found"


def test_server_side_apply_owns_fields(start_probe, space):
    probe = start_probe()

    def apply(manager: str, data: dict, force: bool = False) -> dict:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}
        return probe.ask("apply", path=path_of(space, "c"), body=body, manager=manager, force=force)

    assert "answer" in apply("one", {"a": "1", "b": "1"})
    version = apply("one", {"a": "1", "b": "1"})["answer"]["metadata"]["resourceVersion"]
    assert apply("two", {"c": "2"})["answer"]["metadata"]["resourceVersion"] != version
    assert apply("two", {"a": "2", "c": "2"})["code"] == "conflict"
    assert "answer" in apply("two", {"a": "2", "c": "2"}, force=True)
    assert "answer" in apply("one", {})
    assert probe.ask("get", path=path_of(space, "c"))["answer"]["data"] == {"a": "2", "c": "2"}


def test_a_list_has_all_pages(start_probe, own_cluster, space):
    for number in range(502):
        own_cluster.must("POST", path_of(space), {"metadata": {"name": f"c{number}"}})
    listed = start_probe().ask("list", path=path_of(space))["answer"]
    assert listed in (502, 503)  # the ConfigMap of Kubernetes may not exist yet


# -- watches


def test_a_watch_tells_what_is_there_and_what_happens(start_probe, own_cluster, space):
    for name in ("a", "b"):
        put(own_cluster, space, name)
    probe = start_probe()
    watch(probe, space)
    assert probe.await_state("w", synced=True, trouble=False)["objects"] == 2
    put(own_cluster, space, "c")
    put(own_cluster, space, "a", "2")
    remove(own_cluster, space, "b")
    assert probe.changes("w", 5) == ["added a", "added b", "added c", "updated a", "gone b"]
    assert probe.object("w", "a")["data"] == {"value": "2"}


def test_fifty_watches_and_requests_share_a_connection_and_a_thread(start_probe, own_cluster, space):
    probe = start_probe()
    put(own_cluster, space, "c0")
    probe.watch("w0", path_of(space), fields="metadata.name=c0")
    probe.changes("w0", 1)
    threads, memory = status(probe.pid, "Threads"), status(probe.pid, "VmRSS")
    for number in range(1, 51):
        put(own_cluster, space, f"c{number}")
        probe.watch(f"w{number}", path_of(space), fields=f"metadata.name=c{number}")
    for number in range(51):
        probe.changes(f"w{number}", 1)
    assert "answer" in probe.ask("get", path=path_of(space, "c1"))
    grown = status(probe.pid, "VmRSS") - memory
    print(f"50 watches: {grown} kB more resident")
    assert connections(probe.pid, port_of(own_cluster)) == 1
    assert status(probe.pid, "Threads") <= threads + 1  # one for the request just made
    assert grown < 8192


@pytest.mark.parametrize("fault", ["closed", "reset", "within an event", "within a large event"])
def test_a_cut_watch_goes_on_where_it_was(start_probe, own_cluster, space, proxy, fault):
    for name in ("a", "b"):
        put(own_cluster, space, name)
    probe = start_probe(port=proxy.port)
    watch(probe, space)
    probe.changes("w", 2)
    match fault:
        case "closed":
            proxy.down()
        case "reset":
            proxy.reset()
        case "within an event":
            proxy.cut_after(300)
        case "within a large event":
            proxy.cut_after(70_000)
    put(own_cluster, space, "c", "x" * 200_000)
    remove(own_cluster, space, "b")
    proxy.heal()
    assert probe.changes("w", 4) == ["added a", "added b", "added c", "gone b"]
    put(own_cluster, space, "a", "2")
    assert probe.changes("w", 5)[-1] == "updated a"
    assert requests(own_cluster, space, "list") == 1


def test_wherever_a_new_connection_is_cut_the_watch_comes_up_in_the_end(start_probe, own_cluster, space, proxy):
    """Cuts in the TLS handshake, before and within the headers, in the list, and in the watch."""
    for number in range(20):
        put(own_cluster, space, f"c{number}")
    for number, byte_count in enumerate((0, 700, 1500, 2200, 2800, 3500, 5000, 9000)):
        proxy.cut_after(byte_count)
        probe = start_probe(port=proxy.port)
        watch(probe, space)
        time.sleep(0.3)
        proxy.heal()
        assert sorted(probe.changes("w", 20)) == sorted(f"added c{number}" for number in range(20))
        put(own_cluster, space, "c0", str(number + 2))
        assert probe.changes("w", 21)[-1] == "updated c0"


def test_a_connection_that_has_gone_dead_is_left(start_probe, own_cluster, space):
    put(own_cluster, space, "a")
    with FreezingProxy(port_of(own_cluster)) as proxy:
        probe = start_probe(port=proxy.port, request_timeout=6000)
        watch(probe, space)
        probe.changes("w", 1)
        proxy.freeze()
        put(own_cluster, space, "b")
        began = time.monotonic()
        assert "answer" in probe.ask("get", path=path_of(space, "a"))
        # The first attempt times out; the second and the watch use a new connection.
        assert time.monotonic() - began < 11.5
        assert probe.changes("w", 2, timeout=30) == ["added a", "added b"]


def test_a_silent_watch_is_not_trusted(start_probe, own_cluster, space):
    put(own_cluster, space, "a")
    with FreezingProxy(port_of(own_cluster)) as proxy:
        probe = start_probe(port=proxy.port, silence=5500)
        watch(probe, space)
        probe.changes("w", 1)
        proxy.freeze()
        put(own_cluster, space, "b")
        assert probe.changes("w", 2, timeout=12) == ["added a", "added b"]


def test_the_servers_end_of_a_watch_is_no_trouble(start_probe, own_cluster, space):
    put(own_cluster, space, "a")
    probe = start_probe(watch_for=1)
    watch(probe, space)
    probe.changes("w", 1)
    deadline = time.monotonic() + 15
    while requests(own_cluster, space, "watch") < 3:
        assert time.monotonic() < deadline
    assert probe.ask("state", name="w") | {"id": 0} == {"id": 0, "synced": True, "objects": 1, "trouble": ""}
    put(own_cluster, space, "b")
    assert probe.changes("w", 2) == ["added a", "added b"]
    assert requests(own_cluster, space, "list") == 1


def test_without_a_server_at_the_start_it_says_so_and_then_works(start_probe, own_cluster, space, proxy):
    put(own_cluster, space, "a")
    proxy.down()
    probe = start_probe(port=proxy.port)
    watch(probe, space)
    state = probe.await_state("w", synced=False, trouble=True)
    assert state["trouble"].startswith(f"kubernetes: list {path_of(space)}: connect to https://127.0.0.1:{proxy.port}: ")
    proxy.up()
    assert probe.changes("w", 1) == ["added a"]
    probe.await_state("w", synced=True, trouble=False)


def test_a_restarted_server_that_has_forgotten_is_listed_anew(start_probe, own_cluster, space, proxy):
    for name in ("a", "b", "d"):
        put(own_cluster, space, name)
    probe = start_probe(port=proxy.port)
    watch(probe, space)
    probe.changes("w", 3)
    # The server's watch cache begins at the restart, and the watch's resourceVersion is older.
    proxy.down()
    put(own_cluster, space, "a", "2")
    remove(own_cluster, space, "b")
    put(own_cluster, space, "c")
    remove(own_cluster, space, "d")
    put(own_cluster, space, "d")
    own_cluster.kill_api_server()
    own_cluster.start_api_server()
    proxy.up()
    assert sorted(probe.changes("w", 8)[3:]) == ["added c", "added d", "gone b", "gone d", "updated a"]
    assert probe.object("w", "a")["data"] == {"value": "2"}
    put(own_cluster, space, "e")
    assert probe.changes("w", 9)[-1] == "added e"
    assert requests(own_cluster, space, "list") == 2


# -- events


def test_events_are_counted_not_repeated(start_probe, own_cluster, space):
    probe = start_probe()
    pod = own_cluster.create_pod(space, "web-0")["metadata"]

    def events() -> list:
        found = own_cluster.must("GET", f"/api/v1/namespaces/{space}/events")["items"]
        return sorted((event["message"], event["count"]) for event in found)

    def wait_for(wanted: list) -> None:
        deadline = time.monotonic() + 10
        while (now := events()) != wanted:
            assert time.monotonic() < deadline, now
            time.sleep(0.05)

    about = {"namespace": space, "object": "web-0", "uid": pod["uid"], "reason": "MountRotationFailed"}
    probe.event(message="no", **about)
    wait_for([("no", 1)])
    for _ in range(3):
        probe.event(message="no", **about)
    probe.event(message="no, again", **about)
    wait_for([("no", 4), ("no, again", 1)])
    event = own_cluster.must("GET", f"/api/v1/namespaces/{space}/events?fieldSelector=involvedObject.uid={pod['uid']}")["items"][0]
    assert event["type"] == "Warning" and event["source"] == {"component": "nodekeep", "host": "node1"}
    assert event["involvedObject"]["kind"] == "Pod" and event["reason"] == "MountRotationFailed"
