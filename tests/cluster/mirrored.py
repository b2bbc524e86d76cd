"""A Kubernetes Secret mirrored from files of volumes."""

import base64

from bed.kubernetes_bed import KubernetesBed
from bed.process import wait_for


class MirroredSecret:
    def __init__(self, bed: KubernetesBed, namespace: str, name: str):
        self._bed = bed
        self.path = f"/api/v1/namespaces/{namespace}/secrets/{name}"

    def object(self) -> dict | None:
        reply = self._bed.cluster.request("GET", self.path)
        return reply.json if reply.ok else None

    @property
    def version(self) -> str | None:
        """Changes with every write."""
        found = self.object()
        return found["metadata"]["resourceVersion"] if found else None

    def value(self, key: str) -> str | None:
        found = self.object()
        return base64.b64decode(found["data"][key]).decode() if found and key in found.get("data", {}) else None

    def owners(self) -> list:
        found = self.object()
        return (found["metadata"].get("ownerReferences") or []) if found else []

    def wait_value(self, key: str, value: str, timeout: float = 150.0) -> None:
        wait_for(lambda: self.value(key) == value, lambda: f"{key} of {self.path} is {value!r}, not {self.value(key)!r}", timeout)

    def wait_owners(self, count: int, timeout: float = 150.0) -> list:
        wait_for(lambda: len(self.owners()) == count, lambda: f"{self.path} has {count} owners, not {self.owners()}", timeout)
        return self.owners()

    def wait_gone(self, timeout: float = 150.0) -> None:
        wait_for(lambda: self.object() is None, f"{self.path} is gone", timeout)
