"""A real OpenBao; one call sets up each auth method, secret engine or quota."""

import json
import pathlib
import urllib.parse

from bed.certificates import CertificateAuthority
from bed.cluster import Cluster
from bed.json_client import JsonClient, Reply
from bed.postgres import PASSWORD as POSTGRES_PASSWORD
from bed.postgres import Postgres
from bed.process import BedError, Process, free_port, tool

READ_SECRETS = 'path "secret/*" { capabilities = ["read", "list"] }\npath "kv1/*" { capabilities = ["read", "list"] }'


class Audit:
    """The audit log: one entry per request, written before the reply is sent. Values and tokens are hashed.

    Requests rejected by a quota or by a sealed server do not appear.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    def mark(self) -> int:
        """The current position, for `since`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def requests(self, since: int = 0) -> list[dict]:
        """The requests since a mark, oldest first, as OpenBao logs them: `path`, `operation`, `namespace`, `remote_address` ..."""
        if not self.path.exists():
            return []
        with open(self.path, "rb") as log:
            log.seek(since)
            lines = log.read().splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry["request"] for entry in entries if entry["type"] == "request"]

    def count(self, since: int = 0, path_prefix: str = "", operation: str | None = None) -> int:
        """E.g. `count(mark, "secret/data/", "read")`. A login is the operation "update" below "auth/"."""
        return len([request for request in self.requests(since)
                    if request["path"].startswith(path_prefix) and operation in (None, request["operation"])])

    def logins(self, since: int = 0) -> int:
        return len([request for request in self.requests(since)
                    if request["path"].startswith("auth/") and request["path"].rstrip("/").split("/")[-1] == "login"
                    or "/login/" in request["path"]])


class OpenBao:
    """One server with three listeners: `url` (plain HTTP), `tls_url` (requests client certificates), `socket` (unix socket).

    It is initialized and unsealed when started, with KV version 2 at secret/ and version 1 at kv1/. Its data survive `restart`
    only with `storage="file"`.
    """

    def __init__(self, directory: pathlib.Path, *, storage: str = "inmem", authority: CertificateAuthority | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port, self.tls_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.tls_url = f"https://127.0.0.1:{self.tls_port}"
        self.socket = directory / "bao.sock"
        self.root_token = ""
        self.audit = Audit(directory / "audit.log")
        self.ca = authority or CertificateAuthority(directory / "pki", "openbao")
        self._storage = storage
        self._unseal_keys: list[str] = []
        self._client = JsonClient(self.url)
        self._process = Process("openbao", [tool("openbao"), "server", f"-config={self._write_config()}"], directory)

    def __enter__(self) -> "OpenBao":
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def _write_config(self) -> pathlib.Path:
        serving = self.ca.issue("openbao", dns=("localhost",), ips=("127.0.0.1",))
        storage = f'path = "{self.directory / "data"}"' if self._storage == "file" else ""
        path = self.directory / "bao.hcl"
        path.write_text(f"""
storage "{self._storage}" {{ {storage} }}
listener "tcp" {{
  address = "127.0.0.1:{self.port}"
  tls_disable = true
}}
listener "tcp" {{
  address = "127.0.0.1:{self.tls_port}"
  tls_cert_file = "{serving.cert}"
  tls_key_file = "{serving.key}"
}}
listener "unix" {{ address = "{self.socket}" }}
audit "file" "requests" {{
  options {{ file_path = "{self.audit.path}" }}
}}
api_addr = "{self.url}"
log_level = "info"
""")
        return path

    # -- start and stop

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Starts and unseals the server; initializes it on the first start and with in-memory storage."""
        self._process.start()
        self._process.wait_until(lambda: self._client.request("GET", "/v1/sys/seal-status").ok)
        if not self.request("GET", "sys/seal-status").json["initialized"]:
            self._initialize()
        else:
            self.unseal()

    def _initialize(self) -> None:
        made = self.must("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=None)
        self._unseal_keys = made["keys"]
        self.root_token = made["root_token"]
        self.unseal()
        self.must("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self.must("POST", "sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
        # After it is mounted, the engine upgrades itself and rejects requests meanwhile.
        self._process.wait_until(lambda: self.must("POST", "secret/data/ready", {"data": {"ready": "yes"}}))
        self.write_policy("read-secrets", READ_SECRETS)

    def seal(self) -> None:
        """After this, all requests except seal status and health get 503."""
        self.must("PUT", "sys/seal")

    def unseal(self) -> None:
        for key in self._unseal_keys:
            self.must("PUT", "sys/unseal", {"key": key}, token=None)
        self._process.wait_until(lambda: self._client.request("GET", "/v1/sys/health").status == 200)

    def stop(self) -> None:
        self._process.stop()

    def kill(self) -> None:
        self._process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    # -- API

    def request(self, method: str, path: str, body=None, token: str | None = "", namespace: str | None = None) -> Reply:
        """One call of /v1/`path`. `token`: default is the root token; None sends none."""
        headers = {"X-Vault-Request": "true"}
        if token is not None:
            headers["X-Vault-Token"] = token or self.root_token
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        return self._client.request(method, f"/v1/{urllib.parse.quote(path, safe='/?=&%')}", body, headers)

    def must(self, method: str, path: str, body=None, token: str | None = "", namespace: str | None = None):
        """Like `request`, but returns the JSON of the reply; raises BedError unless the status is 2xx."""
        reply = self.request(method, path, body, token, namespace)
        if not reply.ok:
            raise BedError(f"openbao: {method} {path}: {reply.status} {reply.text.strip()}")
        return reply.json

    def login(self, mount: str, body: dict, namespace: str | None = None) -> dict:
        """`auth` of the reply to a login at auth/`mount`/login."""
        return self.must("POST", f"auth/{mount}/login", body, token=None, namespace=namespace)["auth"]

    # -- secrets and policies

    def put_secret(self, path: str, values: dict, namespace: str | None = None) -> int:
        """Writes secret/`path` (KV version 2), returns the new version."""
        return self.must("POST", f"secret/data/{path}", {"data": values}, namespace=namespace)["data"]["version"]

    def put_secret_v1(self, path: str, values: dict) -> None:
        self.must("POST", f"kv1/{path}", values)

    def write_policy(self, name: str, rules: str, namespace: str | None = None) -> None:
        self.must("PUT", f"sys/policies/acl/{name}", {"policy": rules}, namespace=namespace)

    def create_token(self, policies: list, **options) -> dict:
        """`auth` of a new token; options as for auth/token/create, e.g. ttl="5s", renewable=True, num_uses=1."""
        return self.must("POST", "auth/token/create", {"policies": policies, "no_default_policy": False, **options})["auth"]

    def create_namespace(self, name: str) -> None:
        """Creates a namespace with KV version 2 at secret/ and the policy read-secrets."""
        self.must("POST", f"sys/namespaces/{name}")
        self.must("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, namespace=name)
        self._process.wait_until(
            lambda: self.must("POST", "secret/data/ready", {"data": {"ready": "yes"}}, namespace=name))
        self.write_policy("read-secrets", READ_SECRETS, namespace=name)

    # -- auth methods

    def enable_kubernetes_auth(self, cluster: Cluster, mount: str = "kubernetes", namespace: str | None = None) -> None:
        """Tokens are verified with TokenReview; a service account is created for it."""
        # Named after the port, because several servers of one run may trust the same cluster.
        reviewer = f"openbao-{self.port}-{namespace or 'root'}-{mount}-reviewer".lower().replace("/", "-").replace("_", "-")
        cluster.create_service_account("kube-system", reviewer)
        cluster.bind_cluster_role(reviewer, "system:auth-delegator", "kube-system", reviewer)
        self.must("POST", f"sys/auth/{mount}", {"type": "kubernetes"}, namespace=namespace)
        self.must("POST", f"auth/{mount}/config", {
            "kubernetes_host": cluster.url, "kubernetes_ca_cert": cluster.ca.pem, "disable_local_ca_jwt": True,
            "token_reviewer_jwt": cluster.mint_token("kube-system", reviewer, None, seconds=86400),
        }, namespace=namespace)

    def kubernetes_role(self, name: str, *, service_accounts: list, namespaces: list, policies: list = ("read-secrets",),
                        audience: str = "vault", mount: str = "kubernetes", namespace: str | None = None, **options) -> None:
        """Options as for auth/kubernetes/role, e.g. token_ttl="2s"."""
        self.must("POST", f"auth/{mount}/role/{name}", {
            "bound_service_account_names": service_accounts, "bound_service_account_namespaces": namespaces,
            "token_policies": list(policies), "audience": audience, **options}, namespace=namespace)

    def enable_jwt_auth(self, cluster: Cluster, mount: str = "jwt", namespace: str | None = None) -> None:
        """Service-account tokens are verified with the cluster's public key, without the API server."""
        self.must("POST", f"sys/auth/{mount}", {"type": "jwt"}, namespace=namespace)
        self.must("POST", f"auth/{mount}/config", {
            "jwt_validation_pubkeys": [cluster.signing_key.public.read_text()], "bound_issuer": cluster.issuer,
        }, namespace=namespace)

    def jwt_role(self, name: str, *, policies: list = ("read-secrets",), audience: str = "vault", mount: str = "jwt",
                 namespace: str | None = None, **options) -> None:
        """Options as for auth/jwt/role, e.g. bound_subject="system:serviceaccount:shop:web", bound_claims={...}."""
        self.must("POST", f"auth/{mount}/role/{name}", {
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience], "token_policies": list(policies),
            **options}, namespace=namespace)

    def enable_approle(self, mount: str = "approle", namespace: str | None = None) -> None:
        self.must("POST", f"sys/auth/{mount}", {"type": "approle"}, namespace=namespace)

    def approle(self, name: str, policies: list = ("read-secrets",), mount: str = "approle", namespace: str | None = None,
                **options) -> tuple[str, str]:
        """Creates a role; returns its role id and a new secret id."""
        self.must("POST", f"auth/{mount}/role/{name}", {"token_policies": list(policies), **options}, namespace=namespace)
        role = self.must("GET", f"auth/{mount}/role/{name}/role-id", namespace=namespace)["data"]["role_id"]
        secret = self.must("POST", f"auth/{mount}/role/{name}/secret-id", namespace=namespace)["data"]["secret_id"]
        return role, secret

    def enable_cert_auth(self, mount: str = "cert") -> None:
        self.must("POST", f"sys/auth/{mount}", {"type": "cert"})

    def cert_role(self, name: str, *, common_names: list, policies: list = ("read-secrets",), mount: str = "cert",
                  **options) -> None:
        """Accepts client certificates of `ca` with one of these common names."""
        self.must("POST", f"auth/{mount}/certs/{name}", {
            "certificate": self.ca.pem, "allowed_common_names": common_names, "token_policies": list(policies), **options})

    def login_with_certificate(self, certificate, role: str | None = None, mount: str = "cert") -> Reply:
        client = JsonClient(self.tls_url, ca_file=self.ca.cert, certificate=certificate)
        return client.request("POST", f"/v1/auth/{mount}/login", {"name": role} if role else {})

    # -- engines and quotas

    def enable_pki(self, mount: str = "pki", role: str = "web", domain: str = "bed.test") -> None:
        """Sets up a root CA that issues for `domain` and its subdomains at `mount`/issue/`role`."""
        self.must("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
        self.must("POST", f"{mount}/root/generate/internal", {"common_name": "bed root", "ttl": "87600h", "key_type": "ec"})
        self.must("POST", f"{mount}/roles/{role}", {
            "allowed_domains": [domain], "allow_subdomains": True, "allow_bare_domains": True, "max_ttl": "72h",
            "key_type": "ec"})

    def enable_database(self, postgres: Postgres, mount: str = "database", role: str = "app", ttl: str = "1h",
                        max_ttl: str = "24h") -> None:
        """Each read of `mount`/creds/`role` creates a PostgreSQL user that lives as long as its lease."""
        self.must("POST", f"sys/mounts/{mount}", {"type": "database"})
        self.must("POST", f"{mount}/config/postgres", {
            "plugin_name": "postgresql-database-plugin", "allowed_roles": [role], "username": "postgres",
            "password": POSTGRES_PASSWORD,
            "connection_url": "postgresql://{{username}}:{{password}}@%s:%d/postgres?sslmode=disable" % (
                postgres.host, postgres.port)})
        self.must("POST", f"{mount}/roles/{role}", {
            "db_name": "postgres", "default_ttl": ttl, "max_ttl": max_ttl,
            "creation_statements": [
                "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"]})

    def limit_rate(self, name: str, path: str, rate: float, interval: str = "1s", retry_after: bool = False) -> None:
        """Requests below the mount `path` get 429 above `rate` per interval, optionally with Retry-After."""
        self.must("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": retry_after})
        self.must("POST", f"sys/quotas/rate-limit/{name}", {"path": path, "rate": rate, "interval": interval})

    def unlimit_rate(self, name: str) -> None:
        self.must("DELETE", f"sys/quotas/rate-limit/{name}")
