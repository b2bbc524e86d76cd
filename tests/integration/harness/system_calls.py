"""Traces the system calls of a running process, and kills it at the n-th call of a kind, with strace."""

import dataclasses
import os
import pathlib
import re
import tempfile

from bed.process import BedError, Process

STRACE = pathlib.Path("/usr/bin/strace")


@dataclasses.dataclass(frozen=True)
class Step:
    """The `number`-th `call` of one thread since strace attached."""
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


class _Strace:
    """A context manager; attached to all threads of `pid` once entered."""

    def __init__(self, pid: int, arguments: list):
        self._pid = pid
        if not os.access(STRACE, os.X_OK):
            raise BedError(f"{STRACE} is missing: setup/install test installs the package strace")
        self._directory = tempfile.TemporaryDirectory(prefix="nodekeep-strace-")
        self.trace = pathlib.Path(self._directory.name) / "trace"
        self._process = Process("strace", [STRACE, "-f", "-p", pid, "-o", self.trace, *arguments], self.trace.parent)

    def __enter__(self) -> "_Strace":
        self._process.start()
        try:
            self._process.wait_until(lambda: f"Process {self._pid} attached" in self._process.log.read_text(), 20)
        except BedError as error:
            self.__exit__()
            raise BedError("strace cannot attach: ptrace must be allowed (in a container, CAP_SYS_PTRACE and a seccomp "
                           f"profile that allows it): {error}") from None
        return self

    def __exit__(self, *_) -> None:
        self._process.stop()
        self._directory.cleanup()


class Watched(_Strace):
    """Records system calls; call `steps` after its with block."""

    def __init__(self, pid: int, calls: tuple):
        super().__init__(pid, ["-yy", "-s", "4096", "-e", "trace=" + ",".join(calls)])

    def __exit__(self, *_) -> None:
        self._process.stop()
        self._lines = self.trace.read_text(errors="replace").splitlines()
        super().__exit__()

    def steps(self, about: str) -> list[Step]:
        """The calls whose arguments contain `about`, in order; strace resolves file descriptors to paths and addresses."""
        made: dict[tuple, int] = {}
        found = []
        for line in self._lines:
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match is None:
                continue
            made[match.groups()] = made.get(match.groups(), 0) + 1
            if about in line:
                found.append(Step(match[2], made[match.groups()]))
        return found


class KilledAt(_Strace):
    """Kills the process on entry to that call, which is not executed."""

    def __init__(self, pid: int, step: Step):
        super().__init__(pid, ["-e", f"trace={step.call}", "-e", f"inject={step.call}:signal=SIGKILL:when={step.number}"])
