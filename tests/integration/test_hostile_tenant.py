"""One namespace tries to take the node's resources: threads, connections, memory, refreshes, leases, metrics, the log.

Each test is one attack by the namespace team-evil, beside eight honest namespaces that work meanwhile (harness/stage.py). In
`./test` the numbers are small; `./test --hostile` runs the same tests with those of a real attack.
"""

import contextlib
import itertools
import json
import socket
import time

import pytest

from harness.akeyless import akeyless_class
from harness.hostile_server import HANG, Answer, FakeVault, json_answer, lease
from harness.stage import MAX_MESSAGE, SharedVault, is_whole, sized
from harness.tenant import vault_class

# The whole form takes minutes.
pytestmark = pytest.mark.timeout(900 if is_whole() else 300)

ONE = ("f", "secret/one", "k")

# The agent looks for what is due every five seconds, and renews at two thirds: a renewal that is slow has some seconds left.
LEASE_SECONDS = 30


def secret(value: str = "v", **options) -> Answer:
    return json_answer({"lease_duration": 0, "data": {"k": value}}, **options)


def many(stage, urls: list, count: int, *entries, **parameters) -> list:
    """`count` volumes of one class per URL."""
    classes = [stage.evil_class(vault_class(url, "web", *entries, **parameters)) for url in urls]
    return [stage.evil_volume(classes[i % len(classes)]) for i in range(count)]


def test_servers_that_never_answer_hold_up_no_mount_refresh_or_unpublish(patient_stage):
    """Attack: hundreds of volumes, and the requests for them hang at eight servers.

    Right: everything that honest namespaces ask for is done before the first of these requests has ended; the hostile volumes, too,
    are unpublished at once.
    """
    stage = patient_stage
    with stage.watch(FakeVault(lambda request: HANG, addresses=8)) as evil:
        attack = stage.attack(many(stage, evil.urls, sized(160, 600), ONE))
        evil.wait_hanging(30)
        stage.work()
        assert evil.ended == 0 and attack.ended() == []
        stage.kubelet.unpublish(attack.volumes[-1])


def test_one_server_that_never_answers_is_as_harmless(patient_stage):
    """Attack: as before, at one server, whose limit of requests in flight the namespace uses up."""
    stage = patient_stage
    with stage.watch(FakeVault(lambda request: HANG)) as evil:
        attack = stage.attack(many(stage, evil.urls, sized(100, 270), ONE))
        evil.wait_hanging(16)
        stage.work()
        assert evil.ended == 0 and attack.ended() == []


def test_slow_refreshes_hold_up_nobody_elses(stage):
    """Attack: hundreds of volumes, each refresh of which is answered successfully, but only after 1.8 seconds, shortly before last
    good values would be served instead.

    Right: refreshes of honest volumes get their turns beside these: each has three before each hostile volume has had one.
    """
    with SharedVault(stage.teams, None, first=40) as honest, \
            stage.watch(FakeVault(lambda request: secret(), addresses=4)) as evil:
        for team in stage.teams.honest:
            stage.kubelet.publish(stage.kubelet.volume(team.pod(), honest.classes[team.namespace]))
        volumes = many(stage, evil.urls, sized(200, 600), ONE)
        assert stage.attack(volumes).errors() == []
        evil.read = lambda request: secret("new", after=1.8)
        evil.wait_hanging(8)
        before = evil.ended
        wait_for_rounds(stage, honest, 3)
        assert evil.ended - before < len(volumes)
        stage.work()


def wait_for_rounds(stage, honest: SharedVault, count: int) -> None:
    """Returns once the secret of each honest namespace was read `count` more times."""
    paths = [f"honest/{team.namespace}" for team in stage.teams.honest]
    before = {path: honest.reads(path) for path in paths}
    stage.agent.wait_for(lambda: all(honest.reads(path) >= before[path] + count for path in paths),
                         f"{count} refreshes of each honest volume", 120, 0.02)


def test_a_throttled_namespace_holds_no_one_else_back(stage):
    """Attack: a shared server tells the namespace to wait for an hour (429, Retry-After: 3600).

    Right: the hold is the namespace's own; all others are served by that server at once.
    """
    throttled = json_answer({"errors": ["quota exceeded"]}, 429, headers={"Retry-After": "3600"})
    with SharedVault(stage.teams, lambda request: throttled) as shared:
        stage.attack(many(stage, [shared.url], sized(8, 60), ("f", "evil/one", "k")))
        stage.agent.wait_for(lambda: shared.reads("evil/") >= 1, "a throttled read", 30)
        stage.work(shared)


def test_time_outs_of_one_namespace_open_no_breaker_for_others(start_stage):
    """Attack: requests to a path of a shared server that never answers, such as a slow plugin; they time out one after the other.

    Right: the breaker that opens is the namespace's own.
    """
    stage = start_stage(settings={"vault": {"timeout": "6s"}})
    with SharedVault(stage.teams, lambda request: HANG) as shared:
        stage.attack(many(stage, [shared.url], sized(12, 60), ("f", "evil/one", "k")))
        stage.agent.wait_for(lambda: shared.ended >= 8, "eight time-outs", 60)
        stage.work(shared)


def test_thousands_of_fallback_gateways_open_no_breaker_for_others(start_stage):
    """Attack: a class with so many fallback gateways at a shared server that each try gets a few milliseconds.

    Right: the class is refused, and what had no time to answer is not held against the server.
    """
    stage = start_stage(providers=("vault", "akeyless"), settings={"akeyless": {"allowPlainHttp": True}})
    with SharedVault(stage.teams, lambda request: json_answer({}, after=0.5)) as shared:
        fallbacks = ",".join(f"{shared.url}/{i}" for i in range(2000))
        spc = stage.evil_class(akeyless_class(shared.url, "p-123456789012", ("f", "/a"), access_key="key", **{
            "nodekeep/fallbackGateways": fallbacks, "nodekeep/allowPlainHttp": "true"}), "akeyless")
        attack = stage.attack([stage.evil_volume(spc) for _ in range(sized(8, 60))])
        stage.agent.wait_for(lambda: attack.ended() or shared.ended >= 100, "refusals or time-outs", 60)
        stage.work(shared)
        errors = attack.errors()
        assert len(errors) == len(attack.volumes)
        assert all("nodekeep/fallbackGateways" in error.message for error in errors), errors[0].message


def test_answers_that_grow_when_they_are_parsed_cost_little(stage):
    """Attack: in many mounts, answers of 10 and 3.9 MB that are all empty JSON objects, a hundred times as large when parsed.

    Right: these mounts fail, and the agent's memory stays within its limit.
    """
    bombs = {size: b'{"data":{"k":[' + b"{}," * (size // 3) + b"{}]}}" for size in (10_000_000, 3_900_000)}
    sizes = itertools.cycle(bombs)
    with stage.watch(FakeVault(lambda request: Answer(body=bombs[next(sizes)]))) as evil:
        attack = stage.attack(many(stage, evil.urls, sized(12, 60), ONE))
        stage.agent.wait_for(lambda: evil.reads() >= 4, "four answers", 60)
        stage.work()
        assert len(attack.errors()) == len(attack.volumes)


def test_large_volumes_of_one_namespace_leave_room_for_others(stage):
    """Attack: dozens of volumes with megabytes in each; their files count as the agent's memory.

    Right: over the namespace's share of all volumes, a volume is refused before anything is written.
    """
    sizes = {"huge": 9_900_000, "large": 900_000}
    bodies = {name: json.dumps({"data": {"k": "x" * size}}).encode() for name, size in sizes.items()}
    with stage.watch(FakeVault(lambda request: Answer(body=bodies[request.path.split("/")[2]]))) as evil:
        once = {"nodekeep/refreshAfter": "1h"}
        huge = many(stage, evil.urls, sized(8, 40), *((f"f{i}", f"huge/{i}", "k") for i in range(6)), **once)
        large = many(stage, evil.urls, sized(60, 200), *((f"f{i}", f"large/{i}", "k") for i in range(4)), **once)
        stage.attack(huge).outcomes()
        for volume in large:
            # Kubelet repeats a failed publish.
            refused = stage.publish(volume) and stage.publish(volume)
            assert refused is None or not volume.mounted
        stage.work()
        assert refused is not None and "driver.volumesTotal" in refused.message, refused
        assert stage.refusals() >= 1


def test_leases_whose_renewals_hang_keep_nobody_elses_from_renewal(stage):
    """Attack: thousands of leases that end in fifteen seconds, at servers that do not answer their renewals.

    Right: leases of honest volumes are renewed before they end, so that none is issued anew, and everything else works.
    """
    numbers = itertools.count(1)
    with honest_leases(stage) as honest, \
            stage.watch(FakeVault(lambda request: lease(f"creds/{next(numbers)}", LEASE_SECONDS), addresses=8)) as evil:
        evil.renew = lambda request: HANG
        stage.attack(many(stage, evil.urls, sized(8, 24), *((f"f{i}", f"creds/{i}", "k") for i in range(250))))
        evil.wait_hanging(16)
        wait_for_renewals(stage, honest)
        stage.work()
        wait_for_renewals(stage, honest)
        assert honest.reads("db/") == len(honest.leased)


def test_a_lease_is_not_taken_over_by_another_server_with_the_same_id(stage):
    """Attack: a server that issues leases with the ids of an honest server's, which end long after these.

    Right: the honest leases are renewed at the honest server, and the hostile one sees none of its tokens.
    """
    with honest_leases(stage) as honest, stage.watch(FakeVault(token="token-of-the-evil")) as evil:
        evil.read = lambda request: lease(FakeVault.lease_id(request.path.removeprefix("/v1/")), 36000)
        entries = [(f"f{i}", path, "k") for i, path in enumerate(honest.leased)]
        assert stage.attack(many(stage, evil.urls, 2, *entries)).outcomes() == [None, None]
        wait_for_renewals(stage, honest)
        # None was lost and issued anew.
        assert honest.reads("db/") == len(honest.leased)
        assert {each.headers.get("x-vault-token", "") for each in evil.requests} <= {"", evil.token}
        assert {each.headers.get("x-vault-token", "") for each in honest.requests} <= {"", honest.token}
        stage.work()


@contextlib.contextmanager
def honest_leases(stage):
    """A server at which each honest namespace has a mounted lease."""
    with FakeVault(token="token-of-the-honest", first=20) as honest:
        for team in stage.teams.honest:
            path = f"db/{team.namespace}"
            honest.leased[path] = LEASE_SECONDS
            spc = team.create_class("vault", vault_class(honest.url, "web", ("f", path, "k")))
            stage.kubelet.publish(stage.kubelet.volume(team.pod(), spc))
        yield honest


def wait_for_renewals(stage, honest) -> None:
    """Returns once each honest lease was renewed."""
    before = dict(honest.renewals)
    stage.agent.wait_for(
        lambda: all(honest.renewals.get(honest.lease_id(path), 0) > before.get(honest.lease_id(path), 0) for path in honest.leased),
        lambda: f"a renewal of each honest lease: {before}, now {honest.renewals}", 2 * LEASE_SECONDS)


@pytest.mark.parametrize("parameter, text", [
    ("objects", "".join(f"- objectName: o{i}\n  secretPath: secret/data/{i}\n  secretKey: key\n" for i in range(13_000))),
    ("roleName", "r" * 900_000),
], ids=["objects", "roleName"])
def test_a_class_of_nearly_a_megabyte_costs_little(stage, parameter, text):
    """Attack: many mounts of a class with 800 KB of objects, or with a role of 900 KB.

    Right: they are refused before they are parsed, without repeating a value, and nothing of them is kept.
    """
    with stage.watch(FakeVault(lambda request: secret())) as evil:
        spc = stage.evil_class({**vault_class(evil.url, "web", ONE), parameter: text})
        attack = stage.attack([stage.evil_volume(spc) for _ in range(sized(30, 100))])
        stage.agent.wait_for(attack.ended, "the first outcome", 60)
        stage.work()
        errors = attack.errors()
        assert len(errors) == len(attack.volumes)
        wanted = f"parameter {parameter} has {len(text)} bytes"
        assert [error.message for error in errors if wanted not in error.message] == []
        assert not any(text[:100] in error.message for error in errors)
        assert evil.reads() == 0


def test_an_interval_of_a_millisecond_is_not_obeyed(start_stage):
    """Attack: classes at a shared server with nodekeep/refreshAfter: 1ms, which use up the rate of requests to it.

    Right: no class gets an interval that is shorter than the node's own and than 10 seconds.
    """
    interval = 5
    stage = start_stage(refresh_after=f"{interval}s")
    with SharedVault(stage.teams, lambda request: secret()) as shared:
        volumes = many(stage, [shared.url], sized(30, 60), ("f", "evil/one", "k"), **{"nodekeep/refreshAfter": "1ms"})
        assert stage.attack(volumes).errors() == []
        before, began = shared.reads("evil/"), time.monotonic()
        stage.work(shared)
        reads = shared.reads("evil/") - before
        assert reads <= len(volumes) * (1 + (time.monotonic() - began) / interval)


def test_slow_connections_to_the_metrics_port_delay_no_probe(stage):
    """Attack: connections that send a byte of a request now and then.

    Right: probes and metrics are answered meanwhile; the slow ones are closed at a deadline.
    """
    host, port = stage.agent.http_address.split(":")
    with contextlib.ExitStack() as open_sockets:
        slow = []
        for _ in range(sized(64, 512)):
            slow.append(open_sockets.enter_context(socket.create_connection((host, int(port)), timeout=10)))
            with contextlib.suppress(OSError):  # closed already, because there are too many
                slow[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        for _ in range(5):
            for each in slow:
                with contextlib.suppress(OSError):
                    each.sendall(b"x")
            stage.check_health()
            assert stage.agent.http("/metrics")[0] == 200
        stage.work()

        stage.agent.wait_for(lambda: not any(_is_open(each) for each in slow), "the end of the slow connections", 90, 0.5)


def _is_open(connection: socket.socket) -> bool:
    """Sends one more byte, and discards what has been received."""
    connection.settimeout(0.01)
    try:
        connection.send(b"x")
        return bool(connection.recv(65536))
    except TimeoutError:
        return True
    except OSError:
        return False


def test_what_a_class_names_becomes_no_label(stage):
    """Attack: classes with invented, long names of providers.

    Right: the API server refuses them, or their mounts are counted under one name.
    """
    before = len(stage.agent.metrics_text())
    volumes = []
    for i in range(sized(100, 1000)):
        if (spc := stage.try_evil_class({"objects": "x"}, f"invented-{i}-{'x' * (1 if i % 2 else 900)}")) is not None:
            volumes.append(stage.evil_volume(spc))
    if volumes:
        assert len(stage.attack(volumes).errors()) == len(volumes)
    stage.work()
    metrics = stage.agent.metrics_text()
    assert "invented" not in metrics
    assert len(metrics) < before + (32 << 10)


LONG = "long text " * 30_000

LONG_TEXTS = {
    "denied": ({}, json_answer({"errors": [LONG]}, 403)),
    "several errors": ({}, json_answer({"errors": [f"{LONG} {i}" for i in range(10)]}, 500)),
    "no JSON": ({}, Answer(body=LONG.encode())),
    "key": ({"objects": f"- objectName: f\n  secretPath: secret/one\n  secretKey: {'k' * 200_000}\n"}, secret()),
    "file name": ({"objects": f"- objectName: {'f' * 200_000}\n  secretPath: secret/one\n"}, secret()),
    "path": ({"objects": f"- objectName: f\n  secretPath: secret/{'p' * 200_000}\n"}, json_answer({"errors": []}, 404)),
    "CA path": ({"vaultCACertPath": "/" + "c" * 3_000}, secret()),
    "audience": ({"audience": "a" * 3_000}, secret()),
    "unknown parameter": ({"nodekeep/" + "u" * 3_000: "x"}, secret()),
}


def test_long_texts_of_a_tenant_do_not_fill_the_log(stage):
    """Attack: classes and servers that cause errors of hundreds of kilobytes.

    Right: error and log line are cut; the log has a few kilobytes for each failed mount.
    """
    with stage.watch(FakeVault()) as evil:
        for name, (parameters, answer) in LONG_TEXTS.items():
            evil.read = lambda request: answer
            spc = stage.evil_class({**vault_class(evil.url, "web", ONE), **parameters})
            before = stage.log_bytes()
            attack = stage.attack([stage.evil_volume(spc) for _ in range(sized(4, 50))])
            errors = attack.errors()
            assert len(errors) == len(attack.volumes), name
            assert max(len(error.message) for error in errors) <= MAX_MESSAGE, name
            assert stage.log_bytes() - before < len(attack.volumes) * (16 << 10) + (64 << 10), name
    stage.work()
