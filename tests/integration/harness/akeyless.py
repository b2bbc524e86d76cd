"""Classes of provider akeyless, and a comparison of the requests of two clients for the same operation."""

import base64
import json

import yaml

from harness.driver import Pod


def akeyless_objects(*entries) -> str:
    """The `objects` parameter: entries as dicts, or (fileName, secretPath)."""
    listed = [entry if isinstance(entry, dict) else dict(zip(("fileName", "secretPath"), entry)) for entry in entries]
    return yaml.safe_dump(listed, sort_keys=False, allow_unicode=True)


def akeyless_class(gateway: str, access_id: str | None, *entries, access_type: str | None = None, access_key: str | None = None,
                   **parameters) -> dict:
    """Parameters of a SecretProviderClass of provider akeyless. Pass keys that are not identifiers as **{"nodekeep/x": ...}."""
    spc = {"akeylessGatewayURL": gateway, "objects": akeyless_objects(*entries), **parameters}
    for key, value in (("akeylessAccessID", access_id), ("akeylessAccessType", access_type), ("akeylessAccessKey", access_key)):
        if value is not None:
            spc[key] = value
    return spc

class AkeylessTenant:
    """One access id with its key at a gateway, and the classes and pods that use it. Needs no cluster."""

    def __init__(self, gateway, namespace: str = "shop", account: str = "web", **method):
        self.gateway = gateway
        self.namespace = namespace
        self.account = account
        self.access_id, self.access_key = gateway.add_access_key(**method)
        self._pods = 0

    def pod(self, **changes) -> Pod:
        self._pods += 1
        name = f"{self.account}-{self._pods}"
        return Pod(self.namespace, name, f"uid-{self.namespace}-{name}", self.account).with_(**changes)

    def spc(self, *entries, gateway: str | None = None, **parameters) -> dict:
        return akeyless_class(gateway or self.gateway.url, self.access_id, *entries, access_key=self.access_key, **parameters)


# What the SDK sends unasked: defaults of its models that stand for "as without it"
# (docs/protocol/akeyless-api.md, "Defaults that the SDKs send").
SDK_DEFAULTS = {
    "json": False, "accessibility": "regular", "oci-auth-type": "apikey", "gcp-audience": "akeyless.io", "azure-cloud": "AzureCloud",
    "access-type": "access_key", "ignore-cache": "false", "timeout": 15, "format": "pem", "max-path-len": -1, "cert-username": "-",
    "auto-pagination": "enabled", "legacy-signing-alg-name": False, "bastion-details": False, "der-certificate-format": False,
    "gateway-details": False, "item-custom-fields-details": False, "services-details": False, "show-versions": False,
    "ara-only": False, "sra-only": False, "current-folder": False, "export-public-key": False, "version": 0,
}

# These differ between any two calls: only their shapes are compared.
_EPHEMERAL = {"token", "uid-token", "send-manual-ack-token", "cert-challenge", "signed-cert-challenge", "k8s-service-account-token",
              "csr-data-base64", "public-key-data"}


def _shape(value):
    """The part of a value that does not change when the value is generated again."""
    if not isinstance(value, str):
        return type(value).__name__
    if value[:2] in ("t-", "u-"):
        return value[:2]
    if value.startswith("ssh-"):
        return value.split()[0]
    try:
        base64.b64decode(value, validate=True)
        return "base64"
    except ValueError:
        return "text"


def decoded_cloud_id(cloud_id: str):
    """An AWS cloud-id, decoded, without the parts that differ per signature; the token's text for the other clouds.

    The vendor's libraries differ in the charset after the content type, and each signs its own: it is left out too
    (docs/protocol/akeyless-api.md, "Cloud id of AWS").
    """
    outer = base64.b64decode(cloud_id, validate=True).decode()
    if not outer.startswith("{"):
        return outer
    members = json.loads(outer)
    for name in ("sts_request_url", "sts_request_body", "sts_request_headers"):
        members[name] = base64.b64decode(members[name], validate=True).decode()
    headers = json.loads(members["sts_request_headers"])
    members["sts_request_headers"] = {
        name: [value.split(";")[0] for value in values] for name, values in headers.items()
        if name.lower() not in ("authorization", "x-amz-date", "user-agent", "content-length")}
    credential = next(part for part in headers["Authorization"][0].replace(",", " ").split() if part.startswith("Credential="))
    members["scope"] = [part for i, part in enumerate(credential.removeprefix("Credential=").split("/")) if i != 1]
    return members


def same_body(sdk: dict, agent: dict) -> list[str]:
    """Describes the fields in which the agent's request differs from the SDK's for the same operation; empty if equivalent.

    A field with the SDK's default may be absent in either request.
    """
    differences = []
    for field in sorted(set(sdk) | set(agent)):
        default = SDK_DEFAULTS.get(field)
        theirs, ours = sdk.get(field, default), agent.get(field, default)
        if field in _EPHEMERAL and theirs is not None and ours is not None:
            theirs, ours = _shape(theirs), _shape(ours)
        elif field == "cloud-id" and theirs is not None and ours is not None:
            theirs, ours = decoded_cloud_id(theirs), decoded_cloud_id(ours)
        if theirs != ours:
            differences.append(f"{field}: the SDK sends {theirs!r}, the agent {ours!r}")
    return differences
