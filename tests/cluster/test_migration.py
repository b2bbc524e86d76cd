"""Migration from secrets-store-csi-driver to nodekeep as the CSI driver and back, with a running pod."""

import pytest

from bed.process import wait_for
from bed.upstream_driver import UpstreamDriver
from driver_agent import DriverAgent
from harness.agent import Agent
from mirrored import MirroredSecret

CONFIG = {"policy": {"refreshAfter": "1s", "serveStaleFor": "1h"}, "mountBudget": "5s"}


@pytest.fixture
def web(workload, tenant, unique, bed):
    """The class "web": one file, mirrored into the Secret "mirrored"; starts pods with a volume of it."""
    bed.openbao.put_secret(unique, {"password": "first"})
    workload.apply_class("web", "vault", tenant.spc(("db/password", f"secret/data/{unique}", "password")), [
        {"secretName": "mirrored", "type": "Opaque", "data": [{"objectName": "db/password", "key": "password"}]}])
    return lambda name: workload.start_pod("web", name=name, service_account="web")


def test_a_running_pod_is_kept_fresh_across_the_change_of_drivers_and_back(web, bed, workload, unique, nodekeep_binary, tmp_path):
    mirrored = MirroredSecret(bed, workload.namespace, "mirrored")

    def rotated_to(pod, value: str) -> None:
        bed.openbao.put_secret(unique, {"password": value})
        wait_for(lambda: pod.files() == {"db/password": value}, lambda: f"the value is {value!r}, not {pod.files()}", 60)
        mirrored.wait_value("password", value)

    with Agent(nodekeep_binary, tmp_path / "provider", config=CONFIG) as provider:
        with UpstreamDriver(bed.cluster, bed.node, provider.provider_dir, tmp_path / "upstream"):
            pod = web("before").wait_running()
            rotated_to(pod, "by upstream")
        assert pod.files() == {"db/password": "by upstream"}

        with DriverAgent(nodekeep_binary, tmp_path / "agent", bed, bed.node, config=CONFIG):
            rotated_to(pod, "by nodekeep")
            later = web("between").wait_running()
            assert later.files() == {"db/password": "by nodekeep"}

        with UpstreamDriver(bed.cluster, bed.node, provider.provider_dir, tmp_path / "upstream-again"):
            rotated_to(pod, "by upstream again")
            rotated_to(later, "at last")
            for gone in (pod, later):
                gone.delete()
                gone.wait_gone()
                assert not gone.mounted()
            bed.node.wait_until_empty()
