"""What a machine or a pod in a cloud asks for its identity: metadata services and token endpoints, with tokens signed by one key."""

import http.server
import json
import threading
import time
import urllib.parse

import jwt

from bed.certificates import SigningKey

AZURE_ISSUER = "https://sts.windows.net/tenant/"


class CloudMetadata:
    """Answers as Google's and Azure's metadata services do, and as Entra's token endpoint of the tenant "tenant".

    `requests` has what was asked, oldest first: (method, path, form), each of them with its required header.
    """

    def __init__(self, key: SigningKey, *, google_email: str = "app@project.iam.gserviceaccount.com", azure_oid: str = "object"):
        self._private = key.private.read_text()
        self._email = google_email
        self._oid = azure_oid
        self.requests: list[tuple] = []

        class Handler(_Handler):
            metadata = self

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "CloudMetadata":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _token(self, **claims) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now, "nbf": now, "exp": now + 3600, **claims}, self._private, "RS256")

    def _entra_token(self, resource: str) -> dict:
        token = self._token(aud=resource, iss=AZURE_ISSUER, oid=self._oid)
        # Azure's metadata service writes its numbers as texts.
        return {"access_token": token, "token_type": "Bearer", "expires_in": "3599", "resource": resource}

    def answer(self, method: str, path: str, query: dict, headers, form: dict) -> tuple[int, str]:
        if path == "/computeMetadata/v1/instance/service-accounts/default/identity":
            if headers.get("Metadata-Flavor") != "Google":
                return 403, "Missing Metadata-Flavor:Google header."
            return 200, self._token(aud=query["audience"], iss="https://accounts.google.com", email=self._email)
        if path == "/metadata/identity/oauth2/token":
            if headers.get("Metadata") != "true" or query.get("api-version") != "2018-02-01":
                return 400, '{"error": "invalid_request"}'
            if query.get("object_id", self._oid) != self._oid:
                return 400, '{"error": "invalid_request", "error_description": "Identity not found"}'
            return 200, json.dumps(self._entra_token(query["resource"]))
        if path == "/metadata/instance":
            return 200, json.dumps({"compute": {"azEnvironment": "AzurePublicCloud"}})
        if method == "POST" and path == "/tenant/oauth2/v2.0/token":
            if form.get("grant_type") != "client_credentials" or not form.get("client_assertion", "").count(".") == 2:
                return 400, '{"error": "invalid_request"}'
            return 200, json.dumps(self._entra_token(form["scope"].removesuffix(".default")))
        return 404, ""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    metadata: CloudMetadata

    def log_message(self, *_):
        pass

    def do_GET(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        parts = urllib.parse.urlsplit(self.path)
        form = dict(urllib.parse.parse_qsl(raw))
        self.metadata.requests.append((self.command, self.path, form))
        status, text = self.metadata.answer(self.command, parts.path, dict(urllib.parse.parse_qsl(parts.query)), self.headers, form)
        body = text.encode()
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET
