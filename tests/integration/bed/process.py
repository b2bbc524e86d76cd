"""Starts, monitors and stops the server processes of the test bed."""

import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_random = random.SystemRandom()
_given_ports: set[int] = set()


class BedError(Exception):
    """A part of the test bed is missing, did not start, or returned an unexpected response."""


def tool(name: str) -> str:
    """Path of a program built by tests/tools/build."""
    build = REPOSITORY / "tests" / "tools" / "build"
    path = subprocess.run([build, "--path", name], check=True, capture_output=True, text=True).stdout.strip()
    if not os.access(path, os.X_OK):
        raise BedError(f"{name} is not built: run tests/tools/build {name} (looked for {path})")
    return path


def free_port() -> int:
    """A free loopback port below the range of ephemeral ports.

    Never returns a port twice: the earlier caller may not listen on it yet.
    """
    for _ in range(1000):
        port = _random.randrange(15000, 32000)
        if port in _given_ports:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given_ports.add(port)
            return port
    raise BedError("no free port found between 15000 and 32000")


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """One server process with its log file. Not restarted automatically; `start` may be called again after `stop` or `kill`.

    The kernel kills it when the thread that started it ends, so that thread must outlive the use of the server.
    """

    def __init__(self, name: str, argv: list, directory: pathlib.Path, *, env: dict | None = None, user: str | None = None,
                 stop_signal: int = signal.SIGTERM, cwd: pathlib.Path | None = None):
        self.name = name
        self.argv = [str(part) for part in argv]
        self.directory = directory
        self.log = directory / f"{name}.log"
        self._env = env
        self._user = user
        self._stop_signal = stop_signal
        self._cwd = cwd or directory
        self._popen: subprocess.Popen | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise BedError(f"{self.name} is not running")
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        if self.running:
            raise BedError(f"{self.name} is already running")
        as_user = {}
        if self._user is not None and os.geteuid() == 0:
            as_user = {"user": self._user, "group": self._user, "extra_groups": []}
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._cwd,
                                           env={**os.environ, **(self._env or {})}, preexec_fn=_die_with_parent,
                                           start_new_session=True, **as_user)

    def wait_until(self, ready, timeout: float = 60.0) -> None:
        """Returns once `ready()` is true; an OSError or a BedError counts as false."""
        deadline = time.monotonic() + timeout
        last = "no response"
        while time.monotonic() < deadline:
            if not self.running:
                raise BedError(f"{self.name} exited with {self._popen.returncode} while starting:\n{self.log_tail()}")
            try:
                if ready():
                    return
            except (OSError, BedError) as error:
                last = str(error)
            time.sleep(0.05)
        raise BedError(f"{self.name} was not ready after {timeout:.0f} s ({last}):\n{self.log_tail()}")

    def stop(self, timeout: float = 10.0) -> None:
        """Sends the stop signal, and kills the process if it does not exit."""
        if self._popen is None:
            return
        if self.running:
            self._popen.send_signal(self._stop_signal)
            try:
                self._popen.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        if self._popen is None:
            return
        if self.running:
            self._popen.kill()
        self._popen.wait()
        self._popen = None

    def pause(self) -> None:
        """Suspends the process while its sockets stay open, like a hung server."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not all(" T " in thread.read_text() for thread in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat")):
            if time.monotonic() > deadline:
                raise BedError(f"{self.name} does not stop")
            time.sleep(0.005)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log_tail(self, lines: int = 25) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def wait_for(condition, what, timeout: float = 30.0, every: float = 0.1):
    """Waits until `condition()` is true and returns its result. `what`: the text for the timeout error, or a function."""
    deadline = time.monotonic() + timeout
    while True:
        outcome = condition()
        if outcome:
            return outcome
        if time.monotonic() > deadline:
            raise AssertionError(f"{what() if callable(what) else what}: not within {timeout:.0f} s")
        time.sleep(every)
