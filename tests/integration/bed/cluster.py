"""A real Kubernetes control plane: etcd, kube-apiserver and the controllers, without nodes.

Pods are objects only: nodeName is set, so no scheduler is needed, and no kubelet runs them.
"""

import base64
import json
import pathlib
import time

from bed.certificates import Certificate, CertificateAuthority, signing_key
from bed.json_client import JsonClient, Reply
from bed.process import BedError, Process, free_port, tool

NODE = "node1"

# The controllers that every test needs. All of them would add five seconds to the start, and one deletes pods of missing nodes.
CONTROLLERS = ("serviceaccount-controller", "serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
               "namespace-controller", "garbage-collector-controller")


class Cluster:
    """Attributes once started: `url`, `ca` (CertificateAuthority), `kubeconfig` (path, cluster admin), `issuer`, `signing_key`."""

    def __init__(self, directory: pathlib.Path, *, more_controllers: tuple = (), audit: bool = False,
                 http2: bool = True):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._controllers = CONTROLLERS + more_controllers
        self._http2 = http2
        self.audit_log = directory / "audit.log" if audit else None
        # Looked up first, so that a missing program is reported at once.
        self._programs = {name: tool(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")}
        self._processes: list[Process] = []

    def __enter__(self) -> "Cluster":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self.ca = CertificateAuthority(self.directory / "pki", "kubernetes")
        self.signing_key = signing_key(self.directory / "pki", "service-account")
        serving = self.ca.issue("kube-apiserver", dns=("localhost", "kubernetes"), ips=("127.0.0.1", "10.0.0.1"))
        self.admin = self.ca.issue("admin", organization="system:masters")
        etcd = self._start_etcd()
        port = free_port()
        self.url = f"https://127.0.0.1:{port}"
        self.issuer = self.url
        self._client = JsonClient(self.url, ca_file=self.ca.cert, certificate=self.admin)
        self._apiserver = self._launch("kube-apiserver", [
            f"--etcd-servers={etcd}", "--service-cluster-ip-range=10.0.0.0/24", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--tls-cert-file={serving.cert}", f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.ca.cert}", f"--service-account-issuer={self.issuer}",
            f"--service-account-key-file={self.signing_key.public}",
            f"--service-account-signing-key-file={self.signing_key.private}", f"--api-audiences={self.issuer}",
            "--authorization-mode=Node,RBAC", "--allow-privileged=true", "--enable-admission-plugins=NodeRestriction",
            f"--disable-http2-serving={str(not self._http2).lower()}", *self._audit_arguments(),
        ])
        self._wait_for_api_server()
        self.kubeconfig = self.write_kubeconfig("admin", certificate=self.admin)
        self._start_controllers()
        self._wait_for(lambda: self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default").ok,
                       "the default service account")

    def _wait_for_api_server(self) -> None:
        self._apiserver.wait_until(lambda: self.request("GET", "/readyz").ok)

    def kill_api_server(self) -> None:
        """Loses no objects: they are in etcd."""
        self._apiserver.kill()

    def start_api_server(self) -> None:
        self._apiserver.start()
        self._wait_for_api_server()

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
        self._processes.clear()

    def _launch(self, name: str, arguments: list) -> Process:
        process = Process(name, [self._programs[name], *arguments], self.directory)
        self._processes.append(process)
        process.start()
        return process

    def _start_etcd(self) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        process = self._launch("etcd", [
            f"--data-dir={self.directory / 'etcd'}", "--unsafe-no-fsync", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--log-level=warn",
        ])
        health = JsonClient(client)
        process.wait_until(lambda: health.request("GET", "/health").ok)
        return client

    def _start_controllers(self) -> None:
        kubeconfig = self.write_kubeconfig(
            "controller-manager", certificate=self.ca.issue("system:kube-controller-manager"))
        self._launch("kube-controller-manager", [
            f"--kubeconfig={kubeconfig}", f"--service-account-private-key-file={self.signing_key.private}",
            f"--root-ca-file={self.ca.cert}", "--use-service-account-credentials=true", "--leader-elect=false",
            f"--controllers={','.join(self._controllers)}", "--kube-api-qps=500", "--kube-api-burst=1000",
            "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
        ])

    def _audit_arguments(self) -> list:
        if self.audit_log is None:
            return []
        policy = self.directory / "audit-policy.json"
        policy.write_text(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
                                      "rules": [{"level": "Metadata"}]}))
        return [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-mode=batch",
                "--audit-log-batch-max-wait=1s"]

    def _wait_for(self, condition, what: str, timeout: float = 30.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {p.name}\n{p.log_tail(10)}" for p in self._processes)
                raise BedError(f"cluster: {what} did not appear within {timeout:.0f} s\n{logs}")
            time.sleep(0.05)

    # -- access

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> Reply:
        """Makes an API call as cluster admin."""
        return self._client.request(method, path, body, headers)

    def must(self, method: str, path: str, body=None, headers: dict | None = None):
        """Like `request`, but returns the JSON of the reply; raises BedError unless the status is 2xx."""
        reply = self.request(method, path, body, headers)
        if not reply.ok:
            raise BedError(f"cluster: {method} {path}: {reply.status} {reply.text}")
        return reply.json

    def write_kubeconfig(self, name: str, *, certificate: Certificate | None = None, token: str | None = None) -> pathlib.Path:
        user = {"token": token} if token else {"client-certificate": str(certificate.cert), "client-key": str(certificate.key)}
        path = self.directory / f"{name}.kubeconfig"
        # JSON is YAML.
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": "bed", "cluster": {"server": self.url, "certificate-authority": str(self.ca.cert)}}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": name, "context": {"cluster": "bed", "user": name}}],
        }, indent=2))
        return path

    # -- objects

    def create_namespace(self, name: str) -> dict:
        made = self.must("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        self._wait_for(lambda: self.request("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default").ok,
                       f"the default service account of namespace {name}")
        return made

    def create_service_account(self, namespace: str, name: str) -> dict:
        return self.must("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})

    def create_replica_set(self, namespace: str, name: str) -> dict:
        """Returns its owner reference. The cluster runs no controller that would create its pods."""
        made = self.must("POST", f"/apis/apps/v1/namespaces/{namespace}/replicasets", {
            "metadata": {"name": name},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "m", "image": "i"}]}}},
        })
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": made["metadata"]["uid"]}

    def create_pod(self, namespace: str, name: str, service_account: str = "default", *, labels: dict | None = None,
                   annotations: dict | None = None, node: str = NODE, volumes: list | None = None) -> dict:
        return self.must("POST", f"/api/v1/namespaces/{namespace}/pods", {
            "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
            "spec": {
                "nodeName": node, "serviceAccountName": service_account, "automountServiceAccountToken": False,
                "containers": [{"name": "main", "image": "app"}], "volumes": volumes or [],
            },
        })

    def delete(self, namespace: str, resource: str, name: str) -> None:
        """Deletes immediately, e.g. `delete("shop", "pods", "web-0")`: without a kubelet a grace period would never end."""
        self.must("DELETE", f"/api/v1/namespaces/{namespace}/{resource}/{name}", {"gracePeriodSeconds": 0})

    def delete_namespace(self, name: str) -> None:
        """Starts the deletion; the controllers finish it later."""
        self.must("DELETE", f"/api/v1/namespaces/{name}")

    def mint_token(self, namespace: str, service_account: str, audience: str | None = "vault", *, pod: dict | None = None,
                   seconds: int = 3600) -> str:
        """Mints a service-account token with TokenRequest; bound to `pod` if it is given, as the kubelet does."""
        spec: dict = {"expirationSeconds": seconds, "audiences": [audience] if audience else []}
        if pod is not None:
            spec["boundObjectRef"] = {
                "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        reply = self.must("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token", {"spec": spec})
        return reply["status"]["token"]

    def bind_cluster_role(self, name: str, role: str, namespace: str, service_account: str) -> None:
        reply = self.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": service_account}],
        })
        if not reply.ok and reply.status != 409:
            raise BedError(f"cluster: bind {role} to {namespace}/{service_account}: {reply.status} {reply.text}")

    def grant(self, namespace: str, account: str, rules: list) -> None:
        """Creates a service account with a cluster role of the same name."""
        for path, body in (
            (f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}}),
            ("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"metadata": {"name": account}, "rules": rules}),
        ):
            reply = self.request("POST", path, body)
            if not reply.ok and reply.status != 409:
                raise BedError(f"cluster: create {account}: {reply.status} {reply.text}")
        self.bind_cluster_role(account, account, namespace, account)


def claims(token: str) -> dict:
    """The claims of a token, unverified."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
