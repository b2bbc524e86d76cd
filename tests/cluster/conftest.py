"""The shared test bed: started for the first test that uses it, stopped at the end of the run."""

import itertools
import os
import pathlib

import pytest

from bed.kubernetes_bed import KubernetesBed
from bed.process import REPOSITORY
from harness.tenant import Tenant
from workload import Workload

# Audiences of the tokens that kubelet passes to the driver; several, as in upstream's tests.
AUDIENCES = ("vault", "aud1", "aud2")

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def nodekeep_binary() -> pathlib.Path:
    """The binary under test: NODEKEEP_BIN, else the release build."""
    path = pathlib.Path(os.environ.get("NODEKEEP_BIN", REPOSITORY / "build" / "release" / "nodekeep")).resolve()
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not built: run make release, or set NODEKEEP_BIN", pytrace=False)
    return path


@pytest.fixture(scope="session")
def bed():
    if os.geteuid() != 0:
        pytest.fail("the cluster tests mount file systems as a kubelet does: run them as root (sudo ./test)", pytrace=False)
    # Kubelet republishes volumes every two seconds instead of every minute or so.
    with KubernetesBed(("node1", "node2"), sync_frequency="2s", audiences=AUDIENCES) as started:
        yield started


@pytest.fixture
def unique() -> str:
    """A name that is unique in this run and valid for namespaces, roles and paths."""
    return f"t{next(_numbers)}"


@pytest.fixture
def workload(bed, unique):
    """A workload in the test's own namespace."""
    bed.cluster.create_namespace(unique)
    made = Workload(bed, unique)
    yield made
    made.close()


@pytest.fixture
def tenant(bed, workload, unique) -> Tenant:
    """The service account "web" of the test's own namespace, which may read all of secret/ and kv1/ of OpenBao."""
    return Tenant(bed.cluster, bed.openbao, workload.namespace, "web", unique)
