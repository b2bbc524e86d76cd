"""The real binary, started as on a node, with its sockets in a temporary directory."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request

import grpc
import yaml

from bed.process import BedError, Process, free_port, wait_for
from harness.driver import Driver
from harness.kubelet import Kubelet

NODE_NAME = "node-of-the-integration-tests"


class Agent:
    """`config` is the YAML configuration as a dict; unless it says otherwise, a class is refreshed as often as it asks.
    Sockets, ports and log file stay the same across restarts.
    With a `kubelet` the agent is its CSI driver, and `start` returns once the registration socket exists. A `launcher` is a command
    that becomes the one after it."""

    def __init__(self, binary: pathlib.Path, directory: pathlib.Path, *, config: dict | None = None,
                 providers: tuple = ("vault",), kubeconfig: pathlib.Path | None = None, log_level: str = "debug",
                 env: dict | None = None, kubelet: Kubelet | None = None, node_name: str = NODE_NAME, arguments: list = (),
                 launcher: list = ()):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.binary = binary
        self.config_file = directory / "nodekeep.yaml"
        config = config or {}
        self.config_file.write_text(yaml.safe_dump({**config, "policy": {"refreshAfterMin": "0s", **config.get("policy", {})}}))
        # Not below the test's directory: the path of a socket has 107 bytes at most.
        self._sockets = pathlib.Path(tempfile.mkdtemp(prefix="nodekeep-it-"))
        self.provider_dir = self._sockets / "providers"
        self.provider_dir.mkdir()
        self.admin_socket = self._sockets / "admin.sock"
        self.http_address = f"127.0.0.1:{free_port()}"
        self._providers = providers
        command = [*launcher, binary, "run", "--config", self.config_file, "--provider-dir", self.provider_dir,
                   "--admin-socket", self.admin_socket, "--http", self.http_address, "--providers", ",".join(providers),
                   "--node-name", node_name, "--log-level", log_level, *arguments]
        if kubeconfig is not None:
            command += ["--kubeconfig", kubeconfig]
        if kubelet is not None:
            command += ["--driver", "--kubelet-root", kubelet.root]
        self._kubelet = kubelet
        self._process = Process("nodekeep", command, directory, env=env)
        self._drivers: dict[str, Driver] = {}

    def __enter__(self) -> "Agent":
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for driver in self._drivers.values():
            driver.close()
        self._process.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)

    # -- start and stop

    def start(self, timeout: float = 40.0) -> None:
        """Returns once every provider socket responds and /readyz is 200."""
        self._process.start()
        self._process.wait_until(self._serves, timeout)

    def _serves(self) -> bool:
        for provider in self._providers:
            if not self.socket(provider).exists():
                return False
            probe = Driver(self.socket(provider))
            try:
                probe.version(timeout=1)
            except grpc.RpcError:
                return False
            finally:
                probe.close()
        if self._kubelet is not None:
            # It becomes ready only once kubelet registers it.
            return self._kubelet.csi_socket.exists() and self._kubelet.registration_socket.exists()
        return self.admin_socket.exists() and self.http("/readyz")[0] == 200

    def stop(self, timeout: float = 10.0) -> int:
        """Sends SIGTERM; returns the exit status. Fails if the agent still runs after `timeout`."""
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        status = self.wait_for(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG),
                               "the agent stops", timeout, every=0.02)
        self._process.kill()
        return status.si_status

    def kill(self) -> None:
        """Sends SIGKILL: nothing is cleaned up, the socket files stay."""
        self._process.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    def rss_kib(self) -> int:
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise BedError("the agent has no resident memory")

    # -- endpoints

    def socket(self, provider: str = "vault") -> pathlib.Path:
        return self.provider_dir / f"{provider}.sock"

    def driver(self, provider: str = "vault") -> Driver:
        """One connection per provider, shared by all callers, as in the driver."""
        if provider not in self._drivers:
            self._drivers[provider] = Driver(self.socket(provider))
        return self._drivers[provider]

    def http(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 without a response."""
        try:
            with urllib.request.urlopen(f"http://{self.http_address}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode(errors="replace")
        except OSError:
            return 0, ""

    def cli(self, *arguments, check: bool = True, timeout: float = 30.0) -> subprocess.CompletedProcess:
        """Runs a command of the same binary against this agent."""
        done = subprocess.run([str(self.binary), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "NODEKEEP_ADMIN_SOCKET": str(self.admin_socket)})
        if check and done.returncode != 0:
            raise BedError(f"nodekeep {' '.join(map(str, arguments))}: status {done.returncode}: {done.stderr.strip()}")
        return done

    def cli_json(self, *arguments):
        return json.loads(self.cli(*arguments, "-o", "json").stdout)

    def status(self) -> dict:
        return self.cli_json("status")

    # -- logs and metrics

    @property
    def log_path(self) -> pathlib.Path:
        return self._process.log

    def logs(self) -> list[dict]:
        """All lines of the log, oldest first; each must be a JSON object."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def events(self, event: str) -> list[dict]:
        return [line for line in self.logs() if line.get("event") == event]

    def mount_lines(self, pod=None) -> list[dict]:
        """One for each completed mount request."""
        return [line for line in self.events("mount") if pod is None or pod.text in line["pod"]]

    def metrics_text(self) -> str:
        return self.http("/metrics")[1]

    def metrics(self) -> dict[str, float]:
        """Samples by name and labels in Prometheus format: 'nodekeep_logins_total{outcome="ok",provider="vault"}'."""
        samples = {}
        for line in self.metrics_text().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def metric(self, name: str, **labels) -> float:
        """Sum of the samples with that name and these labels; 0 without any."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if sample.split("{")[0] == name and all(text in sample for text in wanted))

    # -- waiting

    @staticmethod
    def wait_for(condition, what: str, timeout: float = 10.0, every: float = 0.1):
        """See bed.process.wait_for."""
        return wait_for(condition, what, timeout, every)
