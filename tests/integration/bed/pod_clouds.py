"""Fake token endpoints that exchange a pod's service account token for an identity of AWS, Azure or Google.

Like the clouds', they verify the signature with the cluster's key, the issuer and the audience, and issue only identities whose
trust policy names the subject.
"""

import hashlib
import json
import time
import urllib.parse

import jwt

from bed.certificates import SigningKey
from bed.cloud_metadata import AZURE_ISSUER
from bed.http_server import HttpServer, Request

AWS_AUDIENCE = "sts.amazonaws.com"
AZURE_AUDIENCE = "api://AzureADTokenExchange"
FEDERATION = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/cluster"
GKE_POOL = "shop.svc.id.goog"
GKE = f"identitynamespace:{GKE_POOL}:https://container.googleapis.com/v1/projects/shop/locations/europe-west1/clusters/one"


class PodClouds(HttpServer):
    """`environment` makes an agent use this server. `grants`: (identity, subject, pod's name) of all issued, oldest first."""

    def __init__(self, cluster, key: SigningKey):
        super().__init__()
        self._cluster_key = cluster.signing_key.public.read_text()
        self._cluster_issuer = cluster.issuer
        self._private = key.private.read_text()
        self._trust: dict[str, str] = {}
        self._federated: dict[str, dict] = {}
        self.grants: list[tuple[str, str, str]] = []

    @property
    def environment(self) -> dict:
        return {"AWS_ENDPOINT_URL_STS": self.url + "/sts/", "AZURE_AUTHORITY_HOST": self.url, "AZURE_ENVIRONMENT": "AzureCloud",
                "GAIA_TOKEN_EXCHANGE_ENDPOINT": self.url + "/google/token",
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS": self.url + "/iam/"}

    def trust(self, identity: str, namespace: str, service_account: str) -> str:
        """`identity`: a role's ARN, an application's client id or a Google account's email, which the account may assume."""
        self._trust[identity] = f"system:serviceaccount:{namespace}:{service_account}"
        return identity

    @staticmethod
    def role_key(role: str) -> dict:
        """The keys with which an auth method of the fake gateway verifies signatures by the role's credentials."""
        digest = hashlib.sha256(role.encode()).hexdigest()
        return {"ASIA" + digest[:16].upper(): {"secret": digest, "session_token": "session-" + digest[:20], "arn": role}}

    # -- the clouds' behaviour

    def _claims(self, token: str, audience: str) -> dict | None:
        try:
            return jwt.decode(token, self._cluster_key, algorithms=["RS256"], audience=audience, issuer=self._cluster_issuer)
        except jwt.PyJWTError:
            return None

    def _granted(self, identity: str, claims: dict | None) -> bool:
        if claims is None or self._trust.get(identity) != claims["sub"]:
            return False
        self.grants.append((identity, claims["sub"], claims["kubernetes.io"]["pod"]["name"]))
        return True

    def _signed(self, **claims) -> str:
        now = int(time.time())
        return jwt.encode({"iat": now, "nbf": now, "exp": now + 3600, **claims}, self._private, "RS256")

    def answer(self, request: Request) -> tuple[int, str, dict]:
        raw = request.body
        form = json.loads(raw) if raw.startswith("{") else dict(urllib.parse.parse_qsl(raw))
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.target).path)
        status, text = self._answer(path, form, request.headers.get("authorization", "").removeprefix("Bearer "))
        return status, text, {"Content-Type": "text/xml" if text.startswith("<") else "application/json"}

    def _answer(self, path: str, form: dict, bearer: str) -> tuple[int, str]:
        if path == "/sts/":
            return self._assume_role(form)
        if path.endswith("/oauth2/v2.0/token"):
            return self._entra(path.split("/")[1], form)
        if path == "/google/token":
            return self._federate(form)
        account, colon, verb = path.removeprefix("/iam/v1/projects/-/serviceAccounts/").partition(":")
        if path.startswith("/iam/v1/") and verb == "generateIdToken":
            return self._impersonate(account, bearer, form)
        return 404, ""

    def _assume_role(self, form: dict) -> tuple[int, str]:
        role = form.get("RoleArn", "")
        if form.get("Action") != "AssumeRoleWithWebIdentity" or not self._granted(
                role, self._claims(form.get("WebIdentityToken", ""), AWS_AUDIENCE)):
            return 403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
        (access_key, key), = self.role_key(role).items()
        return 200, (
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{access_key}</AccessKeyId><SecretAccessKey>{key['secret']}</SecretAccessKey>"
            f"<SessionToken>{key['session_token']}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")

    def _entra(self, tenant: str, form: dict) -> tuple[int, str]:
        client = form.get("client_id", "")
        if tenant != "tenant" or form.get("grant_type") != "client_credentials" or not self._granted(
                client, self._claims(form.get("client_assertion", ""), AZURE_AUDIENCE)):
            return 401, '{"error": "invalid_client", "error_codes": [700213]}'
        token = self._signed(aud=form["scope"].removesuffix(".default"), iss=AZURE_ISSUER, appid=client, oid="object-of-" + client)
        return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3599})

    def _federate(self, form: dict) -> tuple[int, str]:
        audience = {FEDERATION: FEDERATION, GKE: GKE_POOL}.get(form.get("audience", ""), "")
        claims = self._claims(form.get("subject_token", ""), audience)
        if claims is None or form.get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange":
            return 400, '{"error": "invalid_grant"}'
        token = hashlib.sha256(form["subject_token"].encode()).hexdigest()
        self._federated[token] = claims
        return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _impersonate(self, account: str, bearer: str, form: dict) -> tuple[int, str]:
        if not self._granted(account, self._federated.get(bearer)):
            return 403, '{"error": {"status": "PERMISSION_DENIED"}}'
        return 200, json.dumps({"token": self._signed(aud=form["audience"], iss="https://accounts.google.com", email=account)})

