"""One namespace tries to reach what the node trusts: sockets, files, tokens, logins and identities of others.

Each test is one attack by the namespace team-evil, beside eight honest namespaces that work meanwhile (harness/stage.py).
"""

import itertools
import socket
import subprocess

import pytest

from harness.akeyless import akeyless_class
from harness.hostile_server import HANG, Answer, FakeVault, HostileServer, json_answer
from harness.stage import is_whole
from harness.tenant import vault_class

pytestmark = pytest.mark.timeout(900 if is_whole() else 300)

ONE = ("f", "secret/one", "k")


SOCKET_DIRECTORIES = ("volumes/kubernetes.io~empty-dir/s", "volumes/example.com~flexvolume/s", "volumes/kubernetes.io~csi/s/mount",
                      "volume-subpaths/v/c/0")


def test_a_socket_in_another_pods_volume_is_not_reached(stage):
    """Attack: a class whose server is a unix socket in a volume of another pod, by its path and by a link in an own volume; the
    driver's own socket.

    Right: refused, and nobody connects to the socket.
    """
    links = stage.kubelet.root / "pods" / "evil" / "volumes" / "kubernetes.io~empty-dir"
    links.mkdir(parents=True)

    def refused(path) -> None:
        error = stage.publish(stage.evil_volume(stage.evil_class(vault_class(f"unix://{path}", "web", ONE))))
        assert error is not None and "vaultAddress" in error.message, (path, error)

    for number, where in enumerate(SOCKET_DIRECTORIES):
        directory = stage.kubelet.root / "pods" / "victim" / where
        directory.mkdir(parents=True)
        (links / f"{number}").symlink_to(directory)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(directory / "s"))
            listener.listen()
            listener.setblocking(False)
            refused(directory / "s")
            refused(links / f"{number}" / "s")
            with pytest.raises(BlockingIOError):
                listener.accept()
    refused(stage.kubelet.csi_socket)
    stage.work()


def test_a_redirect_brings_no_token_to_another_host(stage):
    """Attack: a server that redirects logins and reads to another host, with its own address in front of it or not.

    Right: no request arrives there, nor at the metadata address of clouds.
    """
    with FakeVault(first=30) as other, stage.watch(HostileServer()) as evil, stage.watch(FakeVault()) as after_login:
        with_user = other.url.replace("http://", "http://127.0.0.2@")
        targets = (other.url, with_user, "http://169.254.169.254", "http://[::1]:1", "file://")
        for status, target in itertools.product((301, 302, 307, 308), targets):
            # Of the second server only the read, which has a token, is redirected.
            evil.answer = after_login.read = lambda request: Answer(status, headers={"Location": target + request.path})
            classes = [stage.evil_class(vault_class(server.url, "web", ONE)) for server in (evil, after_login)]
            volumes = [stage.evil_volume(spc) for spc in classes]
            assert len(stage.attack(volumes).errors()) == 2, (status, target)
            assert other.requests == [], (status, target)
        assert evil.requests and after_login.reads()
    stage.work()


def test_a_server_name_is_only_a_name(stage):
    """Attack: vaultTLSServerName with parts of a URL or of a request in it.

    Right: refused before any request.
    """
    with stage.watch(HostileServer()) as evil:
        for name in ("a/v1/sys/health?", "a@127.0.0.30", "a\r\nX-Vault-Token: x", "a:1", "[::1]"):
            spc = stage.evil_class(vault_class(evil.url, "web", ONE, vaultTLSServerName=name))
            error = stage.publish(stage.evil_volume(spc))
            assert error is not None and "is not a host name" in error.message, (name, error)
        assert evil.requests == []


def test_a_directory_of_authorities_shows_no_other_pods(stage):
    """Attack: vaultCADirectory names kubelet's directory of pods, whose paths contain uids and volumes of all.

    Right: the error names the directory, and nothing in it.
    """
    victims = ["victim", *(team.pod().uid for team in stage.teams.honest)]
    for uid in victims:
        volume = stage.kubelet.root / "pods" / uid / "volumes" / "kubernetes.io~secret" / "tls"
        volume.mkdir(parents=True)
        (volume / "tls.crt").write_text("no certificate")
    for directory in (stage.kubelet.root / "pods", stage.kubelet.root, stage.kubelet.root / "pods" / victims[0] / "volumes"):
        spc = stage.evil_class(vault_class("https://127.0.0.1:1", "web", ONE, vaultCADirectory=str(directory)))
        error = stage.publish(stage.evil_volume(spc))
        assert error is not None and str(directory) in error.message, error
        rest = error.message.replace(str(directory), "")
        assert not any(text in rest for text in (*victims, "tls.crt", "kubernetes.io~secret")), error.message
    stage.work()


@pytest.fixture
def akeyless_stage(start_stage, akeyless):
    return start_stage(providers=("vault", "akeyless"), settings={"akeyless": {"allowPlainHttp": True, "gatewayUrl": akeyless.url}})


def test_refused_logins_of_one_namespace_lock_nobody_out(akeyless_stage, akeyless):
    """Attack: pods that log in to the access id of others with wrong keys.

    Right: the namespace is held back before Akeyless blocks the access id, and others log in with it at once.
    """
    stage = akeyless_stage
    access_id, key = akeyless.add_access_key()
    for i in range(8):
        spc = stage.evil_class(akeyless_class(akeyless.url, access_id, ("f", "/a"), access_key=f"wrong-{i}"), "akeyless")
        assert stage.publish(stage.evil_volume(spc)) is not None
    assert 0 < akeyless.failed_logins(access_id=access_id) < 4 and not akeyless.is_blocked(access_id)
    for team in stage.teams.honest:
        value = team.new_value()
        akeyless.add_item(f"/{team.namespace}", value)
        spc = team.create_class("akeyless", akeyless_class(akeyless.url, access_id, ("f", f"/{team.namespace}"), access_key=key))
        volume = stage.kubelet.volume(team.pod(), spc)
        stage.kubelet.publish(volume)
        assert volume.read("f") == value
    stage.work()


@pytest.mark.skipif(not is_whole(), reason="identities are rotated after four minutes: only with ./test --hostile")
def test_universal_identities_of_others_are_rotated_in_time(akeyless_stage, akeyless):
    """Attack: identities at eight gateways that never answer a rotation.

    Right: an honest identity that nothing logs in with is rotated after four minutes all the same.
    """
    stage = akeyless_stage
    access_id = akeyless.add_method("universal_identity")
    akeyless.add_item("/a", "v")

    def answers(request) -> Answer:
        if request.path.endswith("/uid-rotate-token"):
            return json_answer({"token": "u-of-the-evil"})
        return json_answer({"token": "t-of-the-evil", "item_name": "/a", "item_type": "STATIC_SECRET", "/a": "v"})

    with stage.watch(HostileServer(answers, addresses=8)) as evil:
        for i in range(32):
            parameters = akeyless_class(evil.urls[i % 8], "p-123456789012", ("f", "/a"), access_type="universal_identity",
                                        akeylessUIDInitToken=f"u-first-{i}", **{"nodekeep/allowPlainHttp": "true"})
            assert stage.publish(stage.evil_volume(stage.evil_class(parameters, "akeyless"))) is None
        evil.answer = lambda request: HANG
        team = stage.teams.honest[0]
        spc = team.create_class("akeyless", akeyless_class(
            akeyless.url, access_id, ("f", "/a"), access_type="universal_identity",
            akeylessUIDInitToken=akeyless.add_uid_token(access_id)))
        stage.kubelet.publish(stage.kubelet.volume(team.pod(), spc))

        def rotations() -> int:
            return akeyless.counts()["uid-rotate-token"]

        before = rotations()
        # Each rotation is two requests, the second of which acknowledges the new token.
        stage.agent.wait_for(lambda: rotations() >= before + 2, "a rotation in the background", 4 * 120 + 60, 1.0)
        stage.work()


def test_a_volume_that_goes_away_during_its_refresh_is_not_written_to_the_disk(patient_stage):
    """Attack: the volume's mount ends between the read of a refresh and the write of its values.

    Right: nothing is written into the directory on the node's disk, and the next publish mounts the volume again.
    """
    stage = patient_stage
    with FakeVault(first=40) as server:
        server.put("secret/one", "first")
        team = stage.teams.honest[0]
        volume = stage.kubelet.volume(team.pod(), team.create_class("vault", vault_class(server.url, "web", ONE)))
        stage.kubelet.publish(volume)
        assert volume.read("f") == "first"
        del server.values["secret/one"]
        server.read = lambda request: HANG
        server.wait_hanging(1)
        subprocess.run(["umount", "-l", str(volume.target)], check=True)
        assert server.ended == 0
        server.put("secret/one", "second")
        server.read = lambda request: json_answer({"data": {"k": "second"}})
        server.release()
        stage.agent.wait_for(lambda: any(
            volume.pod.text in line["pod"] and "no tmpfs is mounted on it" in line["error"]
            for line in stage.agent.events("rotation failed")), "the failed refresh", 60)

        def check_untouched() -> None:
            assert not volume.mounted
            assert list(volume.target.iterdir()) == []

        check_untouched()
        stage.work()
        check_untouched()
        stage.kubelet.publish(volume)
        assert volume.mounted
        assert volume.read("f") == "second"
