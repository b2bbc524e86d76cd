"""Which system calls a running process makes, and its sudden death at the n-th of a kind; strace does both."""

import dataclasses
import os
import pathlib
import re
import tempfile

from bed.process import BedError, Process

STRACE = pathlib.Path("/usr/bin/strace")


@dataclasses.dataclass(frozen=True)
class Step:
    """The `number`-th `call` of one thread since strace has looked on."""
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


class _Strace:
    """Attached to every thread of `pid` once entered."""

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
            raise BedError("strace cannot attach: ptrace must be allowed here (in a container, CAP_SYS_PTRACE and a seccomp "
                           f"profile that lets it through): {error}") from None
        return self

    def __exit__(self, *_) -> None:
        self._process.stop()
        self._directory.cleanup()


class Watched(_Strace):
    """Looks on; ask for `steps` once its block has ended."""

    def __init__(self, pid: int, calls: tuple):
        super().__init__(pid, ["-yy", "-s", "4096", "-e", "trace=" + ",".join(calls)])

    def __exit__(self, *_) -> None:
        self._process.stop()
        self._lines = self.trace.read_text(errors="replace").splitlines()
        super().__exit__()

    def steps(self, about: str) -> list[Step]:
        """Those whose arguments mention `about` (paths and addresses of file descriptors included), in order."""
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
    """The process dies on its way into that call, which is not made any more."""

    def __init__(self, pid: int, step: Step):
        super().__init__(pid, ["-e", f"trace={step.call}", "-e", f"inject={step.call}:signal=SIGKILL:when={step.number}"])
