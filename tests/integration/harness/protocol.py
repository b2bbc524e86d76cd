"""The project's gRPC stubs, made from proto/ for each run."""

import atexit
import functools
import importlib
import sys
import tempfile

from grpc_tools import protoc

from bed.process import REPOSITORY, BedError


@functools.lru_cache(maxsize=1)
def _generated() -> str:
    sources = REPOSITORY / "proto"
    folder = tempfile.TemporaryDirectory(prefix="nodekeep-stubs-")
    atexit.register(folder.cleanup)
    status = protoc.main(["protoc", f"-I{sources}", f"--python_out={folder.name}", f"--grpc_python_out={folder.name}",
                          str(sources / "provider.proto")])
    if status != 0:
        raise BedError("protoc failed on proto/provider.proto")
    sys.path.append(folder.name)
    return folder.name


def messages():
    """The module of v1alpha1's messages."""
    _generated()
    return importlib.import_module("provider_pb2")


def services():
    """The module of v1alpha1's stubs."""
    _generated()
    return importlib.import_module("provider_pb2_grpc")
