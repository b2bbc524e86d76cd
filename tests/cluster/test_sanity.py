"""csi-sanity, the conformance suite of the CSI community, against nodekeep as the CSI driver."""

import subprocess
import xml.etree.ElementTree

import pytest

from bed.process import tool
from driver_agent import DriverAgent

# What a driver of ephemeral volumes cannot have, and why it is left out (docs/protocol/kubernetes.md, "csi-sanity").
SKIPPED = {
    "Controller": "volumes are created by kubelet's calls only: there is no controller",
    "NodeStageVolume": "STAGE_UNSTAGE_VOLUME is not claimed: an ephemeral volume is never staged",
    "should remove target path": "makes its volume with CreateVolume, which only a controller has",
    "on the specified path": "makes its volume with CreateVolume, which only a controller has",
}

# The number of remaining cases, of Identity and Node. A new release may add cases, but not remove any.
LEAST = 13


@pytest.fixture(scope="module")
def agent(bed, nodekeep_binary, tmp_path_factory):
    with DriverAgent(nodekeep_binary, tmp_path_factory.mktemp("agent"), bed, bed.node) as started:
        yield started


def test_csi_sanity_finds_no_fault(bed, agent, tmp_path):
    report = tmp_path / "sanity.xml"
    done = subprocess.run([
        tool("csi-sanity"), f"--csi.endpoint=unix://{bed.node.driver_socket}", f"--csi.mountdir={tmp_path / 'mount'}",
        f"--csi.stagingdir={tmp_path / 'staging'}", f"--ginkgo.junit-report={report}", "--ginkgo.no-color",
        f"--ginkgo.skip={'|'.join(name.replace(' ', '.') for name in SKIPPED)}",
    ], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    passed = [case.get("name") for case in xml.etree.ElementTree.parse(report).iter("testcase")
              if case.get("status") == "passed"]
    assert len([name for name in passed if name.startswith("[It] ")]) >= LEAST, passed
