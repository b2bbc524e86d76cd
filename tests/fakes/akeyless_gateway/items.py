"""Items of every type: their versions, their /describe-item output, and the results of their read calls."""

import datetime
import json
import secrets

from refused import Refused

STATIC, ROTATED, DYNAMIC, CERTIFICATE = "STATIC_SECRET", "ROTATED_SECRET", "DYNAMIC_SECRET", "CERTIFICATE"
PKI_ISSUER, SSH_ISSUER = "PKI_CERT_ISSUER", "SSH_CERT_ISSUER"
CLASSIC_KEY = "CLASSIC_KEY"  # unverified: the service's own word for them

# Values of list-items' `type` filter.
FILTER_TYPES = {
    "static-secret": STATIC, "rotated-secret": ROTATED, "dynamic-secret": DYNAMIC, "certificate": CERTIFICATE,
    "pki-cert-issuer": PKI_ISSUER, "ssh-cert-issuer": SSH_ISSUER, "classic-key": CLASSIC_KEY,
}

# Responses of the producers of dynamic secrets; {n} counts the mints, {random} is new each time.
PRODUCERS = {
    "db": {"id": "tmp.p-app.{n}", "user": "tmp.p-app.{n}", "password": "{random}", "ttl_in_minutes": "{ttl}"},
    "aws": {"access_key_id": "ASIA{n}", "secret_access_key": "{random}", "security_token": "{random}", "id": "tmp.{n}",
            "type": "session", "user": "tmp-{n}", "ttl_in_minutes": "{ttl}"},
    "azure": {"id": "tmp.{n}", "msg": "", "ttl_in_minutes": "{ttl}", "secret": {
        "appId": "app-{n}", "displayName": "tmp-{n}", "endDateTime": "2099-01-01T00:00:00Z", "keyId": "key-{n}",
        "secretText": "{random}", "tenantId": "tenant"}},
    "k8s": {"token": "{random}", "id": "tmp.{n}", "namespace": "default", "ttl_in_minutes": "{ttl}"},
    "custom": {"value": '{"made": {n}, "key": "{random}"}', "error": ""},
}


def canonical(name: str) -> str:
    """Names are accepted with and without the leading slash."""
    return "/" + name.lstrip("/")


def rfc3339(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Item:
    """`spec` has the members
    name, type, value or versions ({"1": value}), version (the number of `value`), format, sub_type, tags, description, enabled,
    fields (further members for /describe-item);
    for DYNAMIC_SECRET also producer (a key of PRODUCERS) or shape (instead of a producer), and ttl_minutes;
    for issuers also the members that issuers.py reads.
    """

    def __init__(self, spec: dict, item_id: int, now: float):
        self.name = canonical(spec["name"])
        self.type = spec.get("type", STATIC)
        self.spec = spec
        self.item_id = item_id
        self.created = self.modified = now
        self.mints = 0
        self.leases: dict[str, dict] = {}
        self.issuer = None  # created by the first call that needs it
        if "versions" in spec:
            self.versions = {int(number): value for number, value in spec["versions"].items()}
        else:
            self.versions = {int(spec.get("version", 1)): spec.get("value", "")}
        self.last_version = max(self.versions)
        self.modified_of = dict.fromkeys(self.versions, now)

    @property
    def enabled(self) -> bool:
        return self.spec.get("enabled", True)

    def put(self, value, now: float, overwrite: bool = False) -> int:
        """A new version, or by default of many accounts the same one with another value (unverified: its number stays)."""
        if not overwrite:
            self.last_version += 1
        self.versions[self.last_version] = value
        self.modified = self.modified_of[self.last_version] = now
        return self.last_version

    def at(self, version, unknown_status: int):
        """The value of a version; None, 0 and an empty string mean the latest, -N the last N."""
        number = int(version or 0)
        if number < 0:
            latest = sorted(self.versions, reverse=True)[:min(-number, 20)]
            return {str(n): self.versions[n] for n in latest}
        number = number or self.last_version
        if number not in self.versions:
            raise Refused(unknown_status, f"NotFound: version {number} of {self.name}")
        return self.versions[number]

    def mint(self, now: float) -> dict:
        """Creates new credentials at the target on every call, for every caller."""
        self.mints += 1
        minutes = int(self.spec.get("ttl_minutes", 60))
        shape = self.spec.get("shape") or PRODUCERS[self.spec.get("producer", "db")]
        made = _filled(shape, {"n": self.mints, "random": secrets.token_hex(12), "ttl": minutes})
        lease = str(made.get("id", self.mints)) if isinstance(made, dict) else str(self.mints)
        self.leases[lease] = {"id": lease, "created": rfc3339(now), "expires": now + 60 * minutes}
        return made

    def describe(self, permissions: set, show_versions: bool) -> dict:
        shown = {
            "item_id": self.item_id, "item_name": self.name, "item_type": self.type,
            "item_sub_type": self.spec.get("sub_type", "generic" if self.type == STATIC else ""),
            "item_metadata": self.spec.get("description", ""), "item_tags": self.spec.get("tags", []),
            "item_state": "Enabled" if self.enabled else "Disabled", "is_enabled": self.enabled,
            "item_size": len(json.dumps(self.versions[self.last_version])),
            # Leases do not change it; issuers have no versions.
            "last_version": self.last_version if self.type in (STATIC, ROTATED, CERTIFICATE, CLASSIC_KEY) else 0,
            "client_permissions": sorted(permissions), "with_customer_fragment": False, "delete_protection": False,
            "creation_date": rfc3339(self.created), "modification_date": rfc3339(self.modified),
            "access_date": rfc3339(self.modified), "item_general_info": self._general_info(),
            **self.spec.get("fields", {}),
        }
        if show_versions:
            shown["item_versions"] = [
                {"version": number, "creation_date": rfc3339(self.created),
                 "modification_date": rfc3339(self.modified_of[number]), "item_version_state": "Enabled"}
                for number in sorted(self.versions)]
        return shown

    def _general_info(self) -> dict:
        if self.type == STATIC:
            return {"static_secret_info": {"format": self.spec.get("format", "text"), "max_versions": 20}}
        if self.type == ROTATED:
            return {"rotated_secret_details": {"rotator_type": self.spec.get("rotator", "password"),
                                               "rotator_status": "RotationSucceeded"}}
        if self.type == DYNAMIC:
            return {"dynamic_secret_producer_details": {
                "producer_type": self.spec.get("producer", "db"), "producer_status": "ProducerConnected",
                "user_ttl": f"{self.spec.get('ttl_minutes', 60)}m"}}
        return {}

    def listed(self, permissions: set, minimal: bool) -> dict:
        shown = self.describe(permissions, show_versions=False)
        if minimal:
            shown["item_tags"] = None
        return shown

    def is_in(self, folder: str, directly: bool) -> bool:
        below = folder.rstrip("/") + "/"
        return self.name.startswith(below) and not (directly and "/" in self.name[len(below):])


def _filled(shape, values: dict):
    if isinstance(shape, dict):
        return {key: _filled(value, values) for key, value in shape.items()}
    if isinstance(shape, list):
        return [_filled(value, values) for value in shape]
    if isinstance(shape, str):
        for key, value in values.items():
            shape = shape.replace("{" + key + "}", str(value))
    return shape
