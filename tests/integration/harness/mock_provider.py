"""The provider that upstream's end-to-end tests mount from, so that ours can ask the same of a driver.

docs/protocol/csi-provider.md, "Mock provider"
"""

import concurrent.futures
import json
import pathlib
import threading

import grpc
import yaml

from harness import protocol
from harness.driver import TOKENS

NAME = "e2e-provider"

FOO = "secret"
FOO_KEY = "-----BEGIN PUBLIC KEY-----\nThis is mock key\n-----END PUBLIC KEY-----"
ROTATED = "rotated"


class MockProvider:
    """Serves <directory>/e2e-provider.sock. `rotated`, `required_audiences` and `failure` may be set at any time."""

    def __init__(self, directory: pathlib.Path):
        self.socket = directory / f"{NAME}.sock"
        self.rotated = False
        self.required_audiences: set[str] = set()
        self.failure: tuple | None = None  # (grpc.StatusCode, text): the result of every mount
        self.requests: list = []           # of Mount, oldest first
        self._known_pods: set[str] = set()
        self._lock = threading.Lock()
        self._server = None

    def __enter__(self) -> "MockProvider":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16))
        protocol.services().add_CSIDriverProviderServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(grace=None).wait()
        self.socket.unlink(missing_ok=True)

    # -- the service

    def Version(self, request, context):  # noqa: N802, the name of the RPC
        self._check_authority(context)
        return protocol.messages().VersionResponse(version="v1alpha1", runtime_name="E2EMockProvider", runtime_version="v0.0.10")

    def Mount(self, request, context):  # noqa: N802
        self._check_authority(context)
        with self._lock:
            self.requests.append(request)
        if self.failure is not None:
            context.abort(*self.failure)
        try:
            attributes = json.loads(request.attributes)
            secrets = json.loads(request.secrets)
            permission = json.loads(request.permission)
            objects = [yaml.safe_load(entry) for entry in yaml.safe_load(attributes["objects"])["array"]]
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"mock provider: bad request: {error!r}")
        if not request.target_path or not isinstance(permission, int) or not isinstance(secrets, dict | None):
            context.abort(grpc.StatusCode.UNKNOWN, "mock provider: bad request")
        missing = self.required_audiences - set(json.loads(attributes.get(TOKENS, "{}")))
        if missing:
            context.abort(grpc.StatusCode.UNKNOWN, f"mock provider: no token for {sorted(missing)}")
        return self._reply(attributes["csi.storage.k8s.io/pod.uid"], objects)

    def _reply(self, pod_uid: str, objects: list):
        messages = protocol.messages()
        with self._lock:
            rotate = self.rotated and pod_uid in self._known_pods
            self._known_pods.add(pod_uid)
        reply = messages.MountResponse()
        for entry in objects:
            name = entry["objectName"]
            content = ROTATED if rotate else {"foo": FOO, "fookey": FOO_KEY}.get(name, "")
            reply.object_version.add(id=f"secret/{name}", version="v2" if rotate else "v1")
            reply.files.add(path=name, contents=content.encode())  # the mode stays 0
        return reply

    @staticmethod
    def _check_authority(context) -> None:
        # grpc's public API does not offer it.
        authority = context._rpc_event.call_details.host  # pylint: disable=protected-access
        if authority != b"localhost":
            context.abort(grpc.StatusCode.INTERNAL, f"mock provider: :authority is {authority!r}, not localhost")
