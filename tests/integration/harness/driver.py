"""The CSI driver's side of the provider protocol, as implemented by released drivers."""

import dataclasses
import json
import pathlib

import grpc

from harness import protocol

TOKENS = "csi.storage.k8s.io/serviceAccount.tokens"

# Codes that make the driver delay a first mount or, worse, let the pod start with an empty volume. While a backend is down,
# the agent must return another code.
NOT_FINAL = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
             grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.ABORTED)

# The upstream driver's service config.
_SERVICE_CONFIG = json.dumps({"methodConfig": [{
    "name": [{"service": "v1alpha1.CSIDriverProvider"}], "waitForReady": True,
    "retryPolicy": {"maxAttempts": 3, "initialBackoff": "1s", "maxBackoff": "10s", "backoffMultiplier": 1.1,
                    "retryableStatusCodes": ["UNAVAILABLE"]}}]})

_GO_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def go_json(value) -> str:
    """JSON as Go's encoding/json writes it: compact, sorted, HTML-escaped, everything else raw."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character, escape in _GO_ESCAPES.items():
        text = text.replace(character, escape)
    return text


@dataclasses.dataclass(frozen=True)
class Pod:
    """The pod information that kubelet passes to the driver. `tokens`: by audience, as of CSIDriver's spec.tokenRequests."""
    namespace: str
    name: str
    uid: str
    service_account: str = "default"
    tokens: dict = dataclasses.field(default_factory=dict)
    kubelet_root: str = "/var/lib/kubelet"

    @property
    def text(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def directory(self) -> pathlib.Path:
        """Kubelet removes it when the pod is gone."""
        return pathlib.Path(self.kubelet_root) / "pods" / self.uid

    @property
    def target_path(self) -> str:
        return f"{self.directory}/volumes/kubernetes.io~csi/secrets/mount"

    def with_(self, **changes) -> "Pod":
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True)
class Mounted:
    """A reply; files and versions in the order received."""
    files: dict      # path -> contents
    modes: dict      # path -> mode
    versions: dict   # id -> version

    def text(self, path: str) -> str:
        return self.files[path].decode()


class MountFailed(Exception):
    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def attributes(spc: dict, pod: Pod, tokens: dict | None = None) -> str:
    """The attributes JSON: the class's parameters, overridden by kubelet's attributes of the pod."""
    merged = {**spc, "csi.storage.k8s.io/ephemeral": "true", "csi.storage.k8s.io/pod.name": pod.name,
              "csi.storage.k8s.io/pod.namespace": pod.namespace, "csi.storage.k8s.io/pod.uid": pod.uid,
              "csi.storage.k8s.io/serviceAccount.name": pod.service_account, "secretProviderClass": "the-class"}
    tokens = pod.tokens if tokens is None else tokens
    if tokens:
        merged[TOKENS] = go_json({
            audience: {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"} for audience, token in tokens.items()})
    return go_json(merged)


class Driver:
    """A client of one provider socket. Keeps one connection per :authority, as the driver does."""

    def __init__(self, socket: pathlib.Path | str):
        self.socket = str(socket)
        self._channels: dict[str, grpc.Channel] = {}

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def _stub(self, authority: str):
        if authority not in self._channels:
            self._channels[authority] = grpc.insecure_channel(f"unix:{self.socket}", options=[
                ("grpc.default_authority", authority), ("grpc.max_receive_message_length", 4 << 20),
                ("grpc.service_config", _SERVICE_CONFIG),
                ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50),
                ("grpc.max_reconnect_backoff_ms", 200), ("grpc.use_local_subchannel_pool", 1)])
        return protocol.services().CSIDriverProviderStub(self._channels[authority])

    def version(self, timeout: float = 5.0):
        request = protocol.messages().VersionRequest(version="v1alpha1")
        return self._stub("localhost").Version(request, timeout=timeout, wait_for_ready=True)

    def start(self, spc: dict, pod: Pod, tokens: dict | None = None, secrets: dict | str | None = None,
              permission: str = "420", target: str | None = None, timeout: float = 60.0, authority: str = "localhost",
              attribute_text: str | None = None, wait_for_ready: bool = True):
        """Starts a mount; pass the result to `finish`. `secrets`: a dict, None without nodePublishSecretRef, or the raw text."""
        request = protocol.messages().MountRequest(
            attributes=attributes(spc, pod, tokens) if attribute_text is None else attribute_text,
            secrets=secrets if isinstance(secrets, str) else go_json(secrets),
            target_path=pod.target_path if target is None else target, permission=permission)
        return self._stub(authority).Mount.future(request, timeout=timeout, wait_for_ready=wait_for_ready)

    @staticmethod
    def finish(call) -> Mounted:
        try:
            reply = call.result()
        except grpc.RpcError as error:
            raise MountFailed(error.code(), error.details()) from None
        return Mounted(files={file.path: file.contents for file in reply.files},
                       modes={file.path: file.mode for file in reply.files},
                       versions={version.id: version.version for version in reply.object_version})

    def mount(self, *arguments, **options) -> Mounted:
        """Like `start`, but waits for the result. Errors: MountFailed."""
        return self.finish(self.start(*arguments, **options))

    def failure(self, *arguments, **options) -> MountFailed:
        """Mounts, which must fail; returns the error."""
        try:
            mounted = self.mount(*arguments, **options)
        except MountFailed as failed:
            return failed
        raise AssertionError(f"the mount succeeded with files {sorted(mounted.files)}")

    def mount_all(self, requests: list, timeout: float = 60.0) -> list:
        """Mounts each (spc, pod) concurrently. Returns a Mounted or MountFailed for each, in order."""
        calls = [self.start(spc, pod, timeout=timeout) for spc, pod in requests]
        outcomes = []
        for call in calls:
            try:
                outcomes.append(self.finish(call))
            except MountFailed as failed:
                outcomes.append(failed)
        return outcomes
