"""Mounts of the test bed: in a private mount namespace, so that the kernel removes them with the last process of a run."""

import ctypes
import os
import pathlib
import subprocess

from bed.process import BedError

_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def enter_own_namespace() -> None:
    """Makes later mounts of this thread, and of processes that it starts, invisible to other processes."""
    if os.geteuid() != 0:
        raise BedError("the cluster bed mounts file systems as a kubelet does: run it as root (sudo)")
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise BedError(f"unshare the mount namespace: {os.strerror(ctypes.get_errno())}: a container needs CAP_SYS_ADMIN for this")
    _run("mount", "--make-rprivate", "/")


def make_shared(directory: pathlib.Path) -> None:
    """Makes mounts below `directory` propagate to its peers, as a node's set-up does for kubelet's directory."""
    _run("mount", "--bind", directory, directory)
    _run("mount", "--make-shared", directory)


def below(directory: pathlib.Path) -> list[pathlib.Path]:
    """Mount points at or below `directory`, innermost first."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        point = pathlib.Path(line.split(" ")[4].encode().decode("unicode_escape"))
        if point == directory or directory in point.parents:
            found.append(point)
    return found[::-1]


def options(point: pathlib.Path) -> tuple[str, set]:
    """File system type and options of the mount at `point`; empty if there is none."""
    found = ("", set())
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, given, *_ = line.split(" ")
        if where.encode().decode("unicode_escape") == str(point):
            found = (kind, set(given.split(",")))
    return found


def unmount_below(directory: pathlib.Path) -> None:
    for point in below(directory):
        _run("umount", "--lazy", point)


def _run(*arguments) -> None:
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise BedError(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
