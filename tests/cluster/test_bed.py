"""The test bed itself: leftovers of a killed run, and concurrent runs."""

import os
import pathlib
import signal
import subprocess
import sys

from bed import mounts
from bed.kubernetes_bed import sweep
from bed.process import REPOSITORY, wait_for

_KILLED = """
import os, signal
from bed.kubernetes_bed import KubernetesBed
with KubernetesBed() as bed:
    print(bed.directory, bed.node.kubelet_pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_bed_beside_this_one_leaves_files_only_and_the_next_run_removes_them(bed):
    done = subprocess.run([sys.executable, "-c", _KILLED], capture_output=True, text=True, timeout=100,
                          cwd=REPOSITORY / "tests" / "integration")
    assert done.returncode == -signal.SIGKILL, done.stderr
    directory, kubelet = done.stdout.split()
    wait_for(lambda: not os.path.exists(f"/proc/{kubelet}"), "its kubelet is gone", 10)
    assert mounts.below(pathlib.Path(directory)) == []
    assert os.path.exists(directory)
    sweep()
    assert not os.path.exists(directory)
    assert bed.directory.exists() and bed.node.root in mounts.below(bed.directory)


def test_every_node_is_ready_and_knows_no_driver_yet(bed):
    for name, node in bed.nodes.items():
        assert bed.kubectl.get("node", name)["status"]["nodeInfo"]["kubeletVersion"] == "v1.34.4"
        assert node.drivers() == []
