"""Fake cloud metadata services and token endpoints, from which a machine or a pod gets its identity; one key signs all tokens."""

import json
import time
import urllib.parse

import jwt

from bed.certificates import SigningKey
from bed.http_server import HttpServer, Request

AZURE_ISSUER = "https://sts.windows.net/tenant/"


class CloudMetadata(HttpServer):
    """Responds like Google's and Azure's metadata services, and like Entra's token endpoint of the tenant "tenant".

    `requests`: (method, path, form) of each request, oldest first. Requests without the required header are rejected.
    """

    def __init__(self, key: SigningKey, *, google_email: str = "app@project.iam.gserviceaccount.com", azure_oid: str = "object"):
        super().__init__()
        self._private = key.private.read_text()
        self._email = google_email
        self._oid = azure_oid
        self.requests: list[tuple] = []

    def _token(self, **claims) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now, "nbf": now, "exp": now + 3600, **claims}, self._private, "RS256")

    def _entra_token(self, resource: str) -> dict:
        token = self._token(aud=resource, iss=AZURE_ISSUER, oid=self._oid)
        # Azure's metadata service encodes numbers as strings.
        return {"access_token": token, "token_type": "Bearer", "expires_in": "3599", "resource": resource}

    def answer(self, request: Request) -> tuple[int, str, dict]:
        parts = urllib.parse.urlsplit(request.target)
        form = dict(urllib.parse.parse_qsl(request.body))
        self.requests.append((request.method, request.target, form))
        status, text = self._answer(request.method, parts.path, dict(urllib.parse.parse_qsl(parts.query)), request.headers, form)
        kind = "application/json" if text.startswith("{") else "text/plain"
        return status, text, {"Metadata-Flavor": "Google", "Content-Type": kind}

    def _answer(self, method: str, path: str, query: dict, headers: dict, form: dict) -> tuple[int, str]:
        if path == "/computeMetadata/v1/instance/service-accounts/default/identity":
            if headers.get("metadata-flavor") != "Google":
                return 403, "Missing Metadata-Flavor:Google header."
            return 200, self._token(aud=query["audience"], iss="https://accounts.google.com", email=self._email)
        if path == "/metadata/identity/oauth2/token":
            if headers.get("metadata") != "true" or query.get("api-version") != "2018-02-01":
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

