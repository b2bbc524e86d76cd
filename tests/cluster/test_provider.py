"""nodekeep as a provider of the released upstream driver, on a real kubelet."""

import time

import pytest
import yaml

from bed.process import wait_for
from bed.upstream_driver import UpstreamDriver
from harness.agent import Agent
from workload import csi_volume

CONFIG = {"policy": {"refreshAfter": "1s", "serveStaleFor": "1h"}, "mountBudget": "5s"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The file of the dev provider."""
    return tmp_path_factory.mktemp("dev") / "store.yaml"


@pytest.fixture(scope="module")
def agent(bed, nodekeep_binary, tmp_path_factory, store):
    with Agent(nodekeep_binary, tmp_path_factory.mktemp("agent"), providers=("vault", "dev"),
               config={**CONFIG, "providers": {"dev": {"path": str(store)}}}) as started:
        yield started


@pytest.fixture(scope="module")
def driver(bed, agent, tmp_path_factory):
    """Refreshes a volume on every republish."""
    with UpstreamDriver(bed.cluster, bed.node, agent.provider_dir, tmp_path_factory.mktemp("driver"), poll_interval="1s") as started:
        yield started
        bed.node.wait_until_empty()


@pytest.fixture
def web(workload, tenant, unique, driver, bed):
    """Applies the class "web" of one secret, whose key is password, and starts pods with a volume of it."""
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("web", "vault", tenant.spc(("db/password", f"secret/data/{unique}", "password")))

    def start(name: str = "web-0", **options):
        return workload.start_pod("web", name=name, service_account="web", **options)

    return start


def test_a_pod_starts_with_its_secrets_in_memory_and_leaves_nothing(web):
    pod = web().wait_running()
    assert pod.files() == {"db/password": "first"}
    assert pod.mounted()
    assert (pod.volume() / "db/password").stat().st_mode & 0o777 == 0o644
    pod.delete()
    pod.wait_gone()
    assert not pod.mounted()


def test_a_new_value_reaches_the_files_of_a_running_pod(web, bed, unique):
    pod = web().wait_running()
    before = (pod.volume() / "..data").readlink()
    bed.openbao.put_secret(unique, {"password": "second"})
    pod.wait_for_file("db/password", "second")
    assert (pod.volume() / "..data").readlink() != before


def test_the_dev_provider_serves_beside_vault(workload, driver, store):
    store.write_text(yaml.safe_dump({"secrets": {"shop/token": "from a file"}}))
    workload.apply_class("dev", "dev", {"objects": yaml.safe_dump([{"objectName": "token", "secretPath": "shop/token"}]),
                                        "nodekeep/refreshAfter": "1s"})
    pod = workload.run_pod("dev")
    assert pod.files() == {"token": "from a file"}
    store.write_text(yaml.safe_dump({"secrets": {"shop/token": "from a changed file"}}))
    pod.wait_for_file("token", "from a changed file")


def test_a_pod_may_have_volumes_of_two_classes_and_a_login_of_its_own(workload, tenant, web, bed, unique):
    role_id, secret_id = bed.openbao.approle(unique)
    bed.kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": workload.namespace},
                       "stringData": {"role_id": role_id, "secret_id": secret_id}})
    parameters = tenant.spc(("password", f"secret/data/{unique}", "password"), **{"nodekeep/auth": "approle"})
    del parameters["roleName"]
    workload.apply_class("approle", "vault", parameters)
    pod = workload.run_pod([csi_volume("web"), csi_volume("approle", name="more", secret_ref="login")], service_account="web")
    assert pod.files() == {"db/password": "first"}
    assert pod.files("more") == {"password": "first"}


def test_an_agent_that_was_killed_is_replaced_unnoticed(web, agent, bed, unique):
    old = web("old").wait_running()
    agent.kill()
    assert old.files() == {"db/password": "first"}
    agent.start()
    new = web("new").wait_running()
    assert new.files() == {"db/password": "first"}
    bed.openbao.put_secret(unique, {"password": "second"})
    for pod in (old, new):
        pod.wait_for_file("db/password", "second")


def test_a_pod_waits_while_the_provider_is_gone_and_starts_when_it_is_back(web, agent):
    assert agent.stop() == 0
    try:
        pod = web()
        time.sleep(3)  # the driver waits for the socket until kubelet's deadline
        assert not pod.running and pod.files() == {}
    finally:
        agent.start()
    pod.wait_running(120)
    assert pod.files() == {"db/password": "first"}


def test_pods_of_thirty_at_once_all_start_complete(web, workload, agent):
    pods = [web(f"web-{i}") for i in range(30)]
    for pod in pods:
        pod.wait_running(120)
        assert pod.files() == {"db/password": "first"}


def test_a_backend_that_is_down_is_an_event_and_never_an_empty_volume(
        workload, tenant, bed, unique, agent, driver, tmp_path):
    """With its usual interval the driver takes the directory of a failed first mount for a fresh volume unless the error is final."""
    address = "http://127.0.0.1:1"
    bed.openbao.put_secret(unique, {"password": "first"})
    spc = tenant.spc(("password", f"secret/data/{unique}", "password"))
    workload.apply_class("web", "vault", {**spc, "vaultAddress": address})
    driver.stop()
    try:
        with UpstreamDriver(bed.cluster, bed.node, agent.provider_dir, tmp_path / "driver", poll_interval="2m"):
            pod = workload.start_pod("web", service_account="web")
            message = pod.wait_for_event("FailedMount", "failed to mount secrets store objects")
            assert "failed to login" in message and address in message
            deadline = time.monotonic() + 8  # several retries of the kubelet
            while time.monotonic() < deadline:
                assert not pod.running, "the pod started without its secrets"
                time.sleep(0.2)
            workload.apply_class("web", "vault", spc)
            pod.wait_running(120)
            assert pod.files() == {"password": "first"}
    finally:
        driver.start()


def test_a_refused_identity_is_said_on_the_pod(workload, tenant, bed, unique, driver):
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("web", "vault", {**tenant.spc(("password", f"secret/data/{unique}", "password")), "roleName": "nobody"})
    pod = workload.start_pod("web", service_account="web")
    message = pod.wait_for_event("FailedMount", 'role "nobody"')
    assert "failed to login" in message
    assert not pod.running


def test_the_driver_says_no_error_while_volumes_come_and_go(web, driver):
    mark = len(driver.log())
    pods = [web(f"web-{i}").wait_running() for i in range(3)]
    for pod in pods:
        pod.delete()
    for pod in pods:
        pod.wait_gone()
    wait_for(lambda: not any(pod.mounted() for pod in pods), "nothing is mounted")
    assert "failed to clean and unmount target path" not in driver.log()[mark:]
