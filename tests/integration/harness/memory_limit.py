"""A memory cgroup for one process, like that of a container with resources.limits.memory."""

import itertools
import os
import pathlib
import time

import yaml

from bed.process import REPOSITORY, BedError

MOUNT = pathlib.Path("/sys/fs/cgroup")
_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_numbers = itertools.count(1)


def limit_of_the_chart() -> int:
    """Bytes that the rendered DaemonSet of the CSI driver allows its agent."""
    objects = yaml.safe_load_all((REPOSITORY / "deploy" / "driver.yaml").read_text())
    [container] = next(each for each in objects if each["kind"] == "DaemonSet")["spec"]["template"]["spec"]["containers"]
    text = str(container["resources"]["limits"]["memory"])
    return int(text[:-2]) * _UNITS[text[-2:]] if text[-2:] in _UNITS else int(text)


class MemoryLimit:
    """A context manager. Files on a tmpfs that the process writes count too, as in a container. Version 1 and 2 of cgroups."""

    def __init__(self, limit: int):
        self._unified = (MOUNT / "cgroup.controllers").exists()
        self.limit = limit
        self._directory = (_parent_of_version_2() if self._unified else _parent_of_version_1()) / (
            f"nodekeep-{os.getpid()}-{next(_numbers)}")

    def __enter__(self) -> "MemoryLimit":
        try:
            self._directory.mkdir()
            if self._unified:
                self._write("memory.max", self.limit)
                self._write("memory.swap.max", 0, optional=True)
            else:
                self._write("memory.limit_in_bytes", self.limit)
                self._write("memory.memsw.limit_in_bytes", self.limit, optional=True)
        except OSError as error:
            raise BedError(f"no memory cgroup can be made: {error}. The tests with a hostile namespace need root and a writable "
                           f"{MOUNT}; a container needs --privileged --cgroupns=host, or the directory mounted rw") from None
        return self

    def __exit__(self, *_) -> None:
        # The kernel takes a moment to remove killed processes.
        deadline = time.monotonic() + 10
        while True:
            try:
                self._directory.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def launcher(self) -> list:
        """Put before a command, it runs the command in the cgroup, with the same process id."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', self._directory / "cgroup.procs"]

    def kills(self) -> int:
        """How many processes were killed because the limit was reached."""
        lines = (self._directory / ("memory.events" if self._unified else "memory.oom_control")).read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def peak(self) -> int | None:
        """The most bytes that were in use at once, the page cache included; None where the kernel does not tell."""
        path = self._directory / ("memory.peak" if self._unified else "memory.max_usage_in_bytes")
        return int(path.read_text()) if path.exists() else None

    def _write(self, name: str, value: int, *, optional: bool = False) -> None:
        if optional and not (self._directory / name).exists():
            return
        (self._directory / name).write_text(str(value))


def _parent_of_version_1() -> pathlib.Path:
    if not (MOUNT / "memory").is_dir():
        raise BedError(f"{MOUNT}/memory is missing: the tests with a hostile namespace need the memory controller of cgroups")
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") and (MOUNT / "memory" / path.lstrip("/")).is_dir():
            return MOUNT / "memory" / path.lstrip("/")
    return MOUNT / "memory"


def _parent_of_version_2() -> pathlib.Path:
    """The root: a group that contains processes, such as our own, cannot limit groups below it."""
    enabled = MOUNT / "cgroup.subtree_control"
    if "memory" not in enabled.read_text().split():
        try:
            enabled.write_text("+memory")
        except OSError as error:
            raise BedError(f"the memory controller is not enabled in {enabled}, and cannot be: {error}. The tests with a hostile "
                           "namespace need root on a machine, or a container with --privileged --cgroupns=host") from None
    return MOUNT
