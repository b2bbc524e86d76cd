"""The project's gRPC stubs, generated from proto/ for each run."""

import atexit
import functools
import importlib
import pathlib
import sys
import tempfile

import grpc_tools
from grpc_tools import protoc

from bed.process import REPOSITORY, BedError


@functools.lru_cache(maxsize=1)
def _generated() -> str:
    sources = REPOSITORY / "proto"
    folder = tempfile.TemporaryDirectory(prefix="nodekeep-stubs-")
    atexit.register(folder.cleanup)
    names = [str(sources / f"{name}.proto") for name in ("provider", "csi", "pluginregistration")]
    # The well-known types are part of grpc_tools.
    own = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    status = protoc.main(["protoc", f"-I{sources}", f"-I{own}", f"--python_out={folder.name}",
                          f"--grpc_python_out={folder.name}", *names])
    if status != 0:
        raise BedError(f"protoc failed on {', '.join(names)}")
    sys.path.append(folder.name)
    return folder.name


def messages(name: str = "provider"):
    """The module with the messages of proto/<name>.proto: provider (v1alpha1), csi or pluginregistration."""
    _generated()
    return importlib.import_module(f"{name}_pb2")


def services(name: str = "provider"):
    """The module with the stubs of proto/<name>.proto."""
    _generated()
    return importlib.import_module(f"{name}_pb2_grpc")
