"""Start, stop, reload, and the commands around a running agent."""

import os
import signal
import stat
import subprocess
import threading

import pytest
import yaml

from bed.process import REPOSITORY
from harness.driver import Pod

STORE = {"secrets": {"shop/db": "value-of-db", "shop/api": {"values": {"user": "web", "key": "value-of-key"}}}}
CLASS = {"apiVersion": "secrets-store.csi.x-k8s.io/v1", "kind": "SecretProviderClass", "metadata": {"name": "c", "namespace": "shop"},
         "spec": {"provider": "dev", "parameters": {"objects": "- objectName: db/password\n  secretPath: shop/db\n"}}}
POD = Pod("shop", "web-0", "11111111-2222-3333-4444-555555555555", "web")


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "store.yaml"
    path.write_text(yaml.safe_dump(STORE))
    path.chmod(0o600)
    return path


@pytest.fixture
def dev_agent(start_agent, store):
    return start_agent(providers=("dev",), config={"providers": {"dev": {"path": str(store)}}})


def run(binary, *arguments, **options):
    return subprocess.run([str(binary), *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_a_stop_removes_the_sockets_and_exits_with_0(dev_agent):
    socket = dev_agent.socket("dev")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(dev_agent.admin_socket.stat().st_mode) == 0o600
    assert dev_agent.stop() == 0
    assert not socket.exists() and not dev_agent.admin_socket.exists()


def await_request_to(proxy, agent) -> None:
    """Returns once a request to the backend behind the proxy is in flight."""
    host = f"http://{proxy.address}"
    agent.wait_for(lambda: [each for each in agent.status()["backends"] if each["host"] == host and int(each["inFlight"]) > 0],
                   f"a request to {host}", 20)


@pytest.mark.parametrize("released", [True, False], ids=["finishes", "is retried with the next agent after the grace period"])
def test_a_mount_in_flight_at_a_stop(start_agent, tenant, openbao, openbao_proxy, unique, released):
    openbao.put_secret(f"{unique}/s", {"k": "v"})
    agent = start_agent(config={"shutdownGrace": "20s" if released else "1s"})
    pod = tenant.pod()
    openbao_proxy.hang()
    call = agent.driver().start(tenant.spc(("f", f"secret/data/{unique}/s", "k"), address=f"http://127.0.0.1:{openbao_proxy.port}"), pod)
    await_request_to(openbao_proxy, agent)
    stopping = threading.Thread(target=lambda: agent.stop(30))
    stopping.start()
    agent.wait_for(lambda: not agent.socket().exists(), "the sockets are gone")
    if not released:
        # It failed with UNAVAILABLE, which the driver retries once an agent serves again.
        stopping.join()
        assert not call.done() and agent.mount_lines()[-1]["outcome"] == "cancelled"
        agent.start()
    openbao_proxy.heal()
    assert agent.driver().finish(call).text("f") == "v"
    stopping.join()


def test_a_second_signal_ends_it_at_once(start_agent, tenant, openbao_proxy, unique):
    agent = start_agent(config={"shutdownGrace": "60s"})
    openbao_proxy.hang()
    # Keep a reference to the call: gRPC cancels it when it is garbage-collected.
    call = agent.driver().start(
        tenant.spc(("f", f"secret/data/{unique}/s", "k"), address=f"http://127.0.0.1:{openbao_proxy.port}"), tenant.pod())
    await_request_to(openbao_proxy, agent)
    os.kill(agent.pid, signal.SIGTERM)
    agent.wait_for(lambda: not agent.socket().exists(), "the sockets are gone")
    assert agent.running and not call.done()
    os.kill(agent.pid, signal.SIGTERM)
    agent.wait_for(lambda: not agent.running, "the agent is gone", 5)


@pytest.mark.parametrize("how", ["SIGHUP", "a change of the file"])
def test_a_reload_takes_what_is_live(dev_agent, store, tmp_path, how):
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({"secrets": {"shop/db": "value-of-the-other-store"}}))
    other.chmod(0o600)
    spc = {**CLASS["spec"]["parameters"], "nodekeep/refreshAfter": "0s"}
    assert dev_agent.driver("dev").mount(spc, POD).text("db/password") == "value-of-db"
    text = yaml.safe_dump({"providers": {"dev": {"path": str(other)}}})
    dev_agent.config_file.write_text(text)
    if how == "SIGHUP":
        os.kill(dev_agent.pid, signal.SIGHUP)
    dev_agent.wait_for(lambda: dev_agent.events("configuration reloaded"), "the reload")
    assert dev_agent.driver("dev").mount(spc, POD).text("db/password") == "value-of-the-other-store"


def test_status_says_what_happened_and_never_a_value(dev_agent):
    dev_agent.driver("dev").mount(CLASS["spec"]["parameters"], POD)
    for form in ("table", "json", "yaml"):
        shown = dev_agent.cli("status", "-o", form).stdout + dev_agent.cli("cache", "list", "-o", form).stdout
        assert "shop/db" in shown and "value-of-db" not in shown
    assert dev_agent.cli("healthcheck").returncode == 0
    assert dev_agent.http("/readyz")[0] == dev_agent.http("/healthz")[0] == dev_agent.http("/health/ready")[0] == 200
    dev_agent.cli("cache", "flush")
    assert dev_agent.metric("nodekeep_cache_entries") == 0


def test_commands_without_an_agent_say_so(nodekeep_binary, tmp_path):
    env = {**os.environ, "NODEKEEP_ADMIN_SOCKET": str(tmp_path / "none.sock")}
    for command in (["status"], ["healthcheck"], ["refresh", "--all"], ["cache", "list"]):
        done = run(nodekeep_binary, *command, env=env)
        assert done.returncode == 1 and "none.sock" in done.stderr, command


def test_get_writes_the_files_that_a_mount_would(nodekeep_binary, store, tmp_path):
    manifest = tmp_path / "class.yaml"
    manifest.write_text(yaml.safe_dump(CLASS))
    env = {**os.environ, "NODEKEEP_DEV_PATH": str(store)}
    explained = run(nodekeep_binary, "get", "-f", manifest, "--explain", env=env)
    assert explained.returncode == 0 and "db/password" in explained.stdout
    dry = run(nodekeep_binary, "get", "-f", manifest, "--dry-run", env=env)
    assert dry.returncode == 0 and "value-of-db" not in dry.stdout + dry.stderr
    for _ in range(2):
        assert run(nodekeep_binary, "get", "-f", manifest, "--out", tmp_path / "out", env=env).returncode == 0
        assert (tmp_path / "out" / "db" / "password").read_text() == "value-of-db"


def test_get_logs_in_with_a_real_token(nodekeep_binary, tenant, openbao, tmp_path, unique):
    openbao.put_secret(f"{unique}/s", {"k": "from-openbao"})
    pod = tenant.pod()
    manifest = tmp_path / "class.yaml"
    manifest.write_text(yaml.safe_dump({**CLASS, "spec": {"provider": "vault", "parameters": tenant.spc(
        ("f", f"secret/data/{unique}/s", "k"))}}))
    token = tmp_path / "token"
    token.write_text(pod.tokens["vault"])
    done = run(nodekeep_binary, "get", "-f", manifest, "--namespace", pod.namespace, "--pod", pod.name, "--service-account",
               pod.service_account, "--token-file", f"vault={token}", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "f").read_text() == "from-openbao"


def test_validate_finds_everything_at_once(nodekeep_binary, tmp_path):
    samples = sorted((REPOSITORY / "providers").glob("*/sample.yaml"))
    assert samples and run(nodekeep_binary, "validate", "--strict", "-f", *samples).returncode == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("lgo:\n  level: info\ncache:\n  maxBytes: lots\n")
    done = run(nodekeep_binary, "validate", "-f", bad)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "bad.yaml:1" in said and "lgo" in said and "bad.yaml:4" in said and "cache.maxBytes" in said


def test_completion_and_help_are_there(nodekeep_binary):
    for shell in ("bash", "zsh", "fish"):
        assert "nodekeep" in run(nodekeep_binary, "completion", shell).stdout
    assert "Examples" in run(nodekeep_binary, "get", "--help").stdout
    assert run(nodekeep_binary, "no-such-command").returncode == 2
