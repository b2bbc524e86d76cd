"""Servers that the tests share. Each is started for the first test that uses it and runs until the end of the run."""

import contextlib
import itertools
import os
import pathlib

import pytest

from bed.akeyless import AkeylessGateway
from bed.certificates import signing_key
from bed.cloud_metadata import CloudMetadata
from bed.cluster import Cluster
from bed.openbao import OpenBao
from bed.postgres import Postgres
from bed.process import REPOSITORY
from bed.toxiproxy import Toxiproxy
from harness.agent import Agent
from harness.akeyless import AkeylessTenant
from harness.akeyless_sdk import AkeylessSdk, SdkProcess
from harness.driver import Pod
from harness.kubelet import Kubelet
from harness.memory_limit import MemoryLimit, limit_of_the_chart
from harness.stage import Stage, Teams
from harness.tenant import Tenant

_numbers = itertools.count(1)
FOREVER = "1h"  # longer than any test runs


@pytest.fixture(scope="session")
def nodekeep_binary() -> pathlib.Path:
    """The binary under test: NODEKEEP_BIN, else the release build."""
    path = pathlib.Path(os.environ.get("NODEKEEP_BIN", REPOSITORY / "build" / "release" / "nodekeep")).resolve()
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not built: run make release, or set NODEKEEP_BIN", pytrace=False)
    return path


@pytest.fixture(scope="session")
def engine(nodekeep_binary) -> pathlib.Path:
    """engine-batch, which answers questions to the template engine and the query library."""
    path = nodekeep_binary.parent / "engine-batch"
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is not built: cmake --build {path.parent} --target engine-batch", pytrace=False)
    return path


@pytest.fixture(scope="session")
def bed_directory(tmp_path_factory) -> pathlib.Path:
    """The directory of the servers' files and logs; pytest keeps those of the last three runs."""
    return tmp_path_factory.mktemp("bed")


@pytest.fixture(scope="session")
def cluster(bed_directory):
    with Cluster(bed_directory / "cluster") as started:
        yield started


@pytest.fixture(scope="session")
def openbao(bed_directory, cluster):
    """OpenBao in memory, with kubernetes and jwt auth that trust the cluster, approle and cert auth. Tests create the roles."""
    with OpenBao(bed_directory / "openbao") as started:
        started.enable_kubernetes_auth(cluster)
        started.enable_jwt_auth(cluster)
        started.enable_approle()
        started.enable_cert_auth()
        yield started


@pytest.fixture
def own_openbao(tmp_path):
    """A server for one test, on file storage: to seal, restart, kill or limit."""
    with OpenBao(tmp_path / "own-openbao", storage="file") as started:
        yield started


@pytest.fixture(scope="session")
def postgres(bed_directory):
    with Postgres(bed_directory / "postgres") as started:
        yield started


@pytest.fixture(scope="session")
def database(openbao, postgres):
    """OpenBao's database engine on PostgreSQL: read database/creds/app."""
    openbao.enable_database(postgres)
    return openbao


@pytest.fixture(scope="session")
def pki(openbao):
    """OpenBao's PKI engine: write pki/issue/web for names below bed.test."""
    openbao.enable_pki()
    return openbao


@pytest.fixture(scope="session")
def toxiproxy(bed_directory):
    with Toxiproxy(bed_directory / "toxiproxy") as started:
        yield started


@pytest.fixture
def openbao_proxy(toxiproxy, openbao):
    """A proxy for one test, in front of the shared OpenBao."""
    proxy = toxiproxy.add(f"127.0.0.1:{openbao.port}")
    yield proxy
    proxy.remove()


@pytest.fixture
def akeyless(tmp_path):
    """An Akeyless gateway for one test, with an empty account."""
    with AkeylessGateway(tmp_path / "akeyless") as started:
        yield started


@pytest.fixture
def akeyless_proxy(toxiproxy, akeyless):
    """A proxy in front of the test's gateway."""
    proxy = toxiproxy.add(f"127.0.0.1:{akeyless.port}")
    yield proxy
    proxy.remove()


@pytest.fixture
def akeyless_tenant(akeyless) -> AkeylessTenant:
    """An access id that may read and list everything."""
    return AkeylessTenant(akeyless)


@pytest.fixture
def start_akeyless_agent(start_agent, akeyless):
    """Starts agents that serve akeyless with the test's gateway, which has no TLS."""
    def start(settings: dict | None = None, config: dict | None = None, **options) -> Agent:
        providers = {"akeyless": {"allowPlainHttp": True, "gatewayUrl": akeyless.url, **(settings or {})}}
        return start_agent(providers=("akeyless",), config={**(config or {}), "providers": providers}, **options)

    return start


@pytest.fixture
def akeyless_agent(start_akeyless_agent) -> Agent:
    return start_akeyless_agent()


@pytest.fixture
def akeyless_driver(akeyless_agent):
    return akeyless_agent.driver("akeyless")


@pytest.fixture
def web(cluster, namespace):
    """Creates pods of the service account "web" in the real cluster, with a token for akeyless as kubelet would request it."""
    cluster.create_service_account(namespace, "web")

    def pod(name: str = "web-0", audience: str = "akeyless") -> Pod:
        made = cluster.create_pod(namespace, name, "web")
        return Pod(namespace, name, made["metadata"]["uid"], "web",
                   {audience: cluster.mint_token(namespace, "web", audience, pod=made)})

    return pod


@pytest.fixture(scope="session")
def issuer_key(tmp_path_factory):
    """The key of a JWT issuer that is not a cluster."""
    return signing_key(tmp_path_factory.mktemp("issuer"), "issuer")


@pytest.fixture
def cloud_metadata(issuer_key):
    """A cloud metadata service whose tokens are signed by `issuer_key`."""
    with CloudMetadata(issuer_key) as started:
        yield started


@pytest.fixture(scope="session")
def sdk_process():
    with SdkProcess() as started:
        yield started


@pytest.fixture
def sdk(sdk_process, akeyless) -> AkeylessSdk:
    """The official SDK as a client of the test's gateway."""
    return AkeylessSdk(sdk_process, akeyless.url)


@pytest.fixture
def unique() -> str:
    """A name that is unique in this run and valid for namespaces, roles and paths."""
    return f"t{next(_numbers)}"


@pytest.fixture
def namespace(cluster, unique) -> str:
    """A namespace for one test, in the cluster."""
    cluster.create_namespace(unique)
    yield unique
    cluster.delete_namespace(unique)


@pytest.fixture
def start_agent(nodekeep_binary, tmp_path):
    """Starts agents that are stopped with the test: `start_agent(config={...}, kubeconfig=...)`."""
    with contextlib.ExitStack() as agents:
        made = itertools.count(1)

        def start(**options) -> Agent:
            return agents.enter_context(Agent(nodekeep_binary, tmp_path / f"agent-{next(made)}", **options))

        yield start


@pytest.fixture
def kubelet():
    """A fixture must list it before `start_agent`, so that the agent is stopped before kubelet's directories are removed."""
    with Kubelet() as made:
        yield made


@pytest.fixture(scope="session")
def teams(cluster, openbao) -> Teams:
    if os.geteuid() != 0:
        pytest.fail("the CSI driver mounts file systems, and its memory is limited: run this as root", pytrace=False)
    return Teams(cluster, openbao)


@pytest.fixture
def start_stage(kubelet, teams, start_agent, record_property):
    """Starts the agent of a test with a hostile namespace; `settings`: of providers. Honest volumes are refreshed every second by
    default, so that a refresh is seen soon. With `patient` the agent waits longer for an answer than any test runs, so that a request
    that hangs does not end by itself, however slow the machine is."""
    with contextlib.ExitStack() as running:
        def start(providers: tuple = ("vault",), settings: dict | None = None, refresh_after: str = "1s",
                  patient: bool = False) -> Stage:
            limit = running.enter_context(MemoryLimit(limit_of_the_chart()))
            # The shortest interval of a class is the product's default, not that of Agent.
            config = {"policy": {"refreshAfter": refresh_after, "refreshAfterMin": "10s"}, "providers": settings or {}}
            if patient:
                config |= {"mountBudget": FOREVER, "fetch": {"budget": FOREVER, "stalePatience": FOREVER}}
                config["providers"] = {"vault": {"timeout": FOREVER}, **config["providers"]}
            agent = start_agent(providers=providers, config=config, kubeconfig=teams.kubeconfig, kubelet=kubelet,
                                launcher=limit.launcher())
            running.callback(agent.kill)  # before its cgroup is removed
            return running.enter_context(Stage(teams, agent, kubelet, limit, record_property))

        yield start


@pytest.fixture
def stage(start_stage) -> Stage:
    return start_stage()


@pytest.fixture
def patient_stage(start_stage) -> Stage:
    return start_stage(patient=True)


@pytest.fixture
def agent(start_agent) -> Agent:
    """An agent for one test that serves vault with the default policy."""
    return start_agent()


@pytest.fixture
def driver(agent):
    return agent.driver()


@pytest.fixture
def tenant(cluster, openbao, namespace, unique) -> Tenant:
    """The service account "web" of the test's namespace, which may read all of secret/ and kv1/."""
    return Tenant(cluster, openbao, namespace, "web", unique)


@pytest.fixture(scope="module")
def shared_tenant(cluster, openbao) -> Tenant:
    """For parametrized tests that only check how a value is written: one service account and its `first_pod`."""
    name = f"t{next(_numbers)}"
    cluster.create_namespace(name)
    yield Tenant(cluster, openbao, name, "web", name)
    cluster.delete_namespace(name)


@pytest.fixture(scope="module")
def shared_agent(nodekeep_binary, tmp_path_factory):
    """For parametrized tests that leave no state behind."""
    with Agent(nodekeep_binary, tmp_path_factory.mktemp("agent")) as started:
        yield started
