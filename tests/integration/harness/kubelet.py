"""Kubelet's side of CSI: registers the driver, publishes and unpublishes volumes, in a temporary kubelet root."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import grpc

from bed.process import BedError
from harness import protocol
from harness.driver import TOKENS, Pod, go_json

DRIVER = "secrets-store.csi.k8s.io"


class CallFailed(Exception):
    def __init__(self, error: grpc.RpcError):
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code()
        self.message = error.details()


@dataclasses.dataclass(frozen=True)
class Volume:
    """One CSI volume of a pod, as in its manifest."""
    pod: Pod
    spc: str
    root: pathlib.Path
    name: str = "secrets"
    attributes: dict = dataclasses.field(default_factory=dict)
    read_only: bool = True
    group: str = ""
    secrets: dict = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> str:
        return "csi-" + hashlib.sha256((self.pod.uid + self.name).encode()).hexdigest()

    @property
    def directory(self) -> pathlib.Path:
        return self.root / "pods" / self.pod.uid / "volumes" / "kubernetes.io~csi" / self.name

    @property
    def target(self) -> pathlib.Path:
        return self.directory / "mount"

    def read(self, path: str) -> str:
        return (self.target / path).read_text()

    @property
    def mounted(self) -> bool:
        return any(line.split()[4] == str(self.target) for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())

    @property
    def mount_options(self) -> set:
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[4] == str(self.target):
                return set(fields[5].split(",")) | set(fields[-1].split(","))
        return set()


class Kubelet:
    """A kubelet root directory; volumes are unmounted and the directory is removed at the end."""

    def __init__(self):
        # Not below the test's directory: the path of a socket has 107 bytes at most.
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="nodekeep-kl-"))
        self._channels: dict[str, grpc.Channel] = {}

    def __enter__(self) -> "Kubelet":
        return self

    def __exit__(self, *_) -> None:
        for channel in self._channels.values():
            channel.close()
        for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
            where = line.split()[4]
            if where.startswith(f"{self.root}/"):
                subprocess.run(["umount", "-l", where], check=True)
        shutil.rmtree(self.root)

    @property
    def csi_socket(self) -> pathlib.Path:
        return self.root / "plugins" / "csi-secrets-store" / "csi.sock"

    @property
    def registration_socket(self) -> pathlib.Path:
        return self.root / "plugins_registry" / f"{DRIVER}-reg.sock"

    def _channel(self, socket: pathlib.Path) -> grpc.Channel:
        if str(socket) not in self._channels:
            self._channels[str(socket)] = grpc.insecure_channel(f"unix:{socket}", options=[
                ("grpc.default_authority", "localhost"), ("grpc.min_reconnect_backoff_ms", 50),
                ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200),
                ("grpc.use_local_subchannel_pool", 1)])
        return self._channels[str(socket)]

    def call(self, service: str, method: str, timeout: float = 120.0, **fields):
        """`call("Node", "NodeGetInfo")`. Errors: CallFailed."""
        stub = getattr(protocol.services("csi"), f"{service}Stub")(self._channel(self.csi_socket))
        request = getattr(protocol.messages("csi"), f"{method}Request")(**fields)
        try:
            return getattr(stub, method)(request, timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            raise CallFailed(error) from None

    # -- registration, in kubelet's order of calls

    def register(self, timeout: float = 10.0, refuse: str = "") -> dict:
        """Registers the driver; returns its reported properties. `refuse`: an error to notify it of instead."""
        deadline = time.monotonic() + timeout
        while not self.registration_socket.exists():
            if time.monotonic() > deadline:
                raise BedError(f"{self.registration_socket} did not appear within {timeout:.0f} s")
            time.sleep(0.02)
        # A new connection each time: that of an earlier driver process may be dead without gRPC having noticed.
        if (before := self._channels.pop(str(self.registration_socket), None)) is not None:
            before.close()
        messages = protocol.messages("pluginregistration")
        stub = protocol.services("pluginregistration").RegistrationStub(self._channel(self.registration_socket))
        info = stub.GetInfo(messages.InfoRequest(), timeout=5, wait_for_ready=True)
        node = None
        if not refuse:
            node = self.call("Node", "NodeGetInfo").node_id
        stub.NotifyRegistrationStatus(
            messages.RegistrationStatus(plugin_registered=not refuse, error=refuse), timeout=5)
        return {"type": info.type, "name": info.name, "endpoint": info.endpoint,
                "versions": list(info.supported_versions), "node": node}

    # -- volumes

    def volume(self, pod: Pod, spc: str, name: str = "secrets", **options) -> Volume:
        """Creates what kubelet creates before it calls the driver: the volume's directory and vol_data.json."""
        volume = Volume(pod, spc, self.root, name, **options)
        volume.directory.mkdir(parents=True, mode=0o750, exist_ok=True)
        (volume.directory / "vol_data.json").write_text(json.dumps({
            "attachmentID": "", "driverName": DRIVER, "nodeName": "", "specVolID": name, "volumeHandle": volume.id,
            "volumeLifecycleMode": "Ephemeral"}))
        return volume

    def publish(self, volume: Volume, tokens: dict | None = None, timeout: float = 120.0) -> None:
        """Errors: CallFailed."""
        pod = volume.pod
        context = {**volume.attributes, "secretProviderClass": volume.spc, "csi.storage.k8s.io/ephemeral": "true",
                   "csi.storage.k8s.io/pod.name": pod.name, "csi.storage.k8s.io/pod.namespace": pod.namespace,
                   "csi.storage.k8s.io/pod.uid": pod.uid,
                   "csi.storage.k8s.io/serviceAccount.name": pod.service_account}
        tokens = pod.tokens if tokens is None else tokens
        if tokens:
            context[TOKENS] = go_json({
                audience: {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}
                for audience, token in tokens.items()})
        self.call("Node", "NodePublishVolume", timeout=timeout, volume_id=volume.id, target_path=str(volume.target),
                  volume_context=context, readonly=volume.read_only, secrets=volume.secrets,
                  volume_capability={"mount": {"volume_mount_group": volume.group}, "access_mode": {"mode": 1}})

    def unpublish(self, volume: Volume) -> None:
        """Errors: CallFailed."""
        self.call("Node", "NodeUnpublishVolume", volume_id=volume.id, target_path=str(volume.target))

    def failure(self, volume: Volume, **options) -> CallFailed:
        """Publishes, which must fail; returns the error."""
        try:
            self.publish(volume, **options)
        except CallFailed as failed:
            return failed
        raise AssertionError(f"the publish succeeded: {sorted(path.name for path in volume.target.iterdir())}")
