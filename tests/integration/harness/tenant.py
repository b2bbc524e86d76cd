"""A service account with its role at OpenBao, and the classes and pods that use it."""

import functools

import yaml

from harness.driver import Pod


def objects(*entries) -> str:
    """The `objects` parameter: entries as dicts, or (objectName, secretPath, secretKey)."""
    listed = [entry if isinstance(entry, dict)
              else dict(zip(("objectName", "secretPath", "secretKey"), entry)) for entry in entries]
    return yaml.safe_dump(listed, sort_keys=False)


def vault_class(address: str, role: str | None, *entries, **parameters) -> dict:
    """Parameters of a SecretProviderClass of provider vault. Pass keys that are not identifiers as **{"nodekeep/x": ...}."""
    spc = {"vaultAddress": address, "objects": objects(*entries), **parameters}
    if role is not None:
        spc["roleName"] = role
    return spc


class Tenant:
    """One service account that OpenBao's kubernetes auth accepts for the role `role`."""

    def __init__(self, cluster, openbao, namespace: str, account: str, role: str, *, policies: tuple = ("read-secrets",),
                 **role_options):
        self.cluster = cluster
        self.openbao = openbao
        self.namespace = namespace
        self.account = account
        self.role = role
        self._pods = 0
        cluster.create_service_account(namespace, account)
        openbao.kubernetes_role(role, service_accounts=[account], namespaces=[namespace], policies=list(policies),
                                **role_options)

    def pod(self, name: str | None = None, audience: str | None = "vault", **changes) -> Pod:
        """Creates a pod object, with the token that kubelet would request for it."""
        self._pods += 1
        made = self.cluster.create_pod(self.namespace, name or f"{self.account}-{self._pods}", self.account)
        tokens = {}
        if audience is not None:
            tokens[audience] = self.cluster.mint_token(self.namespace, self.account, audience, pod=made)
        return Pod(self.namespace, made["metadata"]["name"], made["metadata"]["uid"], self.account, tokens, **changes)

    @functools.cached_property
    def first_pod(self) -> Pod:
        return self.pod()

    def spc(self, *entries, address: str | None = None, **parameters) -> dict:
        return vault_class(address or self.openbao.url, self.role, *entries, **parameters)
