"""Objects that a team applies, classes and pods with volumes of them, and the files that the containers would see."""

import pathlib

from bed.kubernetes_bed import KubernetesBed
from bed.node import DRIVER_NAME, Node
from bed.process import wait_for

VOLUME = "secrets"


def class_manifest(namespace: str, name: str, provider: str, parameters: dict, secret_objects: list | None = None,
                   version: str = "v1") -> dict:
    spec = {"provider": provider, "parameters": parameters}
    if secret_objects is not None:
        spec["secretObjects"] = secret_objects
    return {"apiVersion": f"secrets-store.csi.x-k8s.io/{version}", "kind": "SecretProviderClass",
            "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def csi_volume(class_name: str, *, name: str = VOLUME, secret_ref: str | None = None, attributes: dict | None = None) -> dict:
    csi = {"driver": DRIVER_NAME, "readOnly": True, "volumeAttributes": {"secretProviderClass": class_name, **(attributes or {})}}
    if secret_ref is not None:
        csi["nodePublishSecretRef"] = {"name": secret_ref}
    return {"name": name, "csi": csi}


def pod_spec(node: Node, volumes: list, *, service_account: str = "default", **more) -> dict:
    """`more` goes into the spec, such as securityContext. nodeName is set because no scheduler runs on the bed."""
    return {
        "nodeName": node.name, "serviceAccountName": service_account, "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1, "tolerations": [{"operator": "Exists"}],
        "containers": [{
            "name": "main", "image": "app",
            "volumeMounts": [{"name": volume["name"], "mountPath": f"/mnt/{volume['name']}", "readOnly": True}
                             for volume in volumes]}],
        "volumes": volumes, **more}


class Pod:
    """A pod that was applied. Its files are read where the kubelet mounted them."""

    def __init__(self, bed: KubernetesBed, node: Node, applied: dict):
        self._bed = bed
        self.node = node
        self.namespace = applied["metadata"]["namespace"]
        self.name = applied["metadata"]["name"]
        self.uid = applied["metadata"]["uid"]

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def object(self) -> dict | None:
        reply = self._bed.cluster.request("GET", self.path)
        return reply.json if reply.ok and reply.json["metadata"]["uid"] == self.uid else None

    @property
    def running(self) -> bool:
        found = self.object()
        return found is not None and found["status"].get("phase") == "Running"

    def wait_running(self, timeout: float = 60.0) -> "Pod":
        wait_for(lambda: self.running, lambda: f"pod {self.namespace}/{self.name} runs; its events: {self.messages()}", timeout)
        return self

    def volume(self, name: str = VOLUME) -> pathlib.Path:
        return self.node.volume(self.uid, name)

    def mounted(self, name: str = VOLUME) -> bool:
        return self.node.mounted(self.uid, name)

    def files(self, name: str = VOLUME) -> dict[str, str]:
        """Content by path of the files that a container would see; empty without a volume."""
        volume = self.volume(name)
        return {str(path.relative_to(volume)): path.read_text() for entry in volume.glob("*") if not entry.name.startswith("..")
                for path in [entry, *entry.rglob("*")] if path.is_file()}

    def wait_for_file(self, path: str, content: str, timeout: float = 60.0, name: str = VOLUME) -> None:
        wait_for(lambda: self.files(name).get(path) == content,
                 lambda: f"{path} of {self.namespace}/{self.name} is {content!r}; files: {self.files(name)}", timeout)

    def events(self) -> list[dict]:
        """Events of kubelet and the driver, oldest first."""
        listed = self._bed.cluster.must("GET", f"/api/v1/namespaces/{self.namespace}/events?fieldSelector="
                                               f"involvedObject.uid={self.uid}")["items"]
        return sorted(listed, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")

    def messages(self, reason: str | None = None) -> list[str]:
        return [event["message"] for event in self.events() if reason in (None, event["reason"])]

    def wait_for_event(self, reason: str, text: str, timeout: float = 60.0) -> str:
        return wait_for(lambda: next((message for message in self.messages(reason) if text in message), None),
                        lambda: f"event {reason} with {text!r} on {self.namespace}/{self.name}; events: {self.messages()}",
                        timeout)

    def delete(self) -> None:
        self._bed.cluster.must("DELETE", self.path)

    def wait_gone(self, timeout: float = 60.0) -> None:
        """Waits until the object and, on the node, its directory with all mounts are gone."""
        wait_for(lambda: self.object() is None, f"pod {self.namespace}/{self.name} is gone", timeout)
        wait_for(lambda: not self.node.pod_directory(self.uid).exists(),
                 f"the directory of {self.namespace}/{self.name} is gone", timeout)


class Workload:
    """The objects of one namespace, which belongs to one test."""

    def __init__(self, bed: KubernetesBed, namespace: str):
        self.bed = bed
        self.namespace = namespace

    def apply_class(self, name: str, provider: str, parameters: dict, secret_objects: list | None = None,
                    version: str = "v1") -> str:
        self.bed.kubectl.apply(class_manifest(self.namespace, name, provider, parameters, secret_objects, version))
        return name

    def start_pod(self, volumes, *, name: str = "web-0", node: Node | None = None, labels: dict | None = None, **spec) -> Pod:
        """Creates the pod without waiting for it. `volumes`: a class's name, or volumes made by `csi_volume`."""
        node = node or self.bed.node
        volumes = [csi_volume(volumes)] if isinstance(volumes, str) else volumes
        applied = self.bed.cluster.must("POST", f"/api/v1/namespaces/{self.namespace}/pods", {
            "metadata": {"name": name, "namespace": self.namespace, "labels": labels or {}},
            "spec": pod_spec(node, volumes, **spec)})
        return Pod(self.bed, node, applied)

    def run_pod(self, volumes, **options) -> Pod:
        return self.start_pod(volumes, **options).wait_running()

    def pods(self, selector: str, node: Node | None = None) -> list[Pod]:
        """Pods that controllers created."""
        listed = self.bed.cluster.must("GET", f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}")["items"]
        return [Pod(self.bed, node or self.bed.node, item) for item in listed]

    def close(self) -> None:
        """Starts to delete the namespace. Before stopping a driver, wait for its node with Node.wait_until_empty."""
        self.bed.cluster.delete_namespace(self.namespace)
