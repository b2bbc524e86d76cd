"""The logins of /auth: each checks the request against the auth method's `spec` and returns the claims of the caller.

Each function documents the spec members of its type. Keys are given as `public_keys` (PEM strings), `public_key_file`, or `jwks` (the
document); `unverified: true` accepts any signature.
"""

import base64
import binascii
import calendar
import hashlib
import hmac
import json
import pathlib
import re
import secrets
import time
import urllib.parse

from account import Account, Method
from refused import bad_request, login_failed

STS_BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
CHALLENGE_SECONDS = 60


def _text(body: dict, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise bad_request(f"missing required parameter: {key}")
    return value


def _base64(text: str, what: str) -> bytes:
    """Accepts the standard alphabet with padding on one line, as the service's own clients send it."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise login_failed(f"{what} is not base64") from None


# -- third-party tokens

def _keys_for(spec: dict, token: str) -> list:
    import jwt

    if "jwks" in spec:
        wanted = jwt.get_unverified_header(token).get("kid")
        return [jwt.PyJWK(key).key for key in spec["jwks"]["keys"] if wanted in (None, key.get("kid"))]
    texts = list(spec.get("public_keys", []))
    if "public_key_file" in spec:
        texts.append(pathlib.Path(spec["public_key_file"]).read_text())
    return texts


def verified_claims(spec: dict, token: str, now: float) -> dict:
    """The claims of a JWT that is valid now and signed by a key of the spec. Checks `audience` and `issuer` if the spec has them."""
    claims = _signed_claims(spec, token)
    if "exp" in claims and claims["exp"] <= now:
        raise login_failed("the token has expired")
    if claims.get("nbf", 0) > now + 5:
        raise login_failed("the token is not valid yet")
    audiences = claims.get("aud", [])
    audiences = [audiences] if isinstance(audiences, str) else audiences
    if spec.get("audience") and spec["audience"] not in audiences:
        raise login_failed(f"the token's audience is {audiences}, not {spec['audience']}")
    if spec.get("issuer") and claims.get("iss") != spec["issuer"]:
        raise login_failed(f"the token's issuer is {claims.get('iss')}, not {spec['issuer']}")
    return claims


def _signed_claims(spec: dict, token: str) -> dict:
    if spec.get("unverified"):
        return _unverified_claims(token)
    import jwt

    try:
        for key in _keys_for(spec, token):
            try:
                return jwt.decode(token, key, algorithms=["RS256", "PS256", "ES256", "ES384", "EdDSA"], options={
                    "verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False})
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError, ValueError):
                continue
    except jwt.PyJWTError as error:
        raise login_failed(f"the token cannot be read: {error}") from None
    raise login_failed("no trusted key signed the token")


def _unverified_claims(token: str) -> dict:
    try:
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        raise login_failed("the token cannot be read") from None


def _require_one_of(spec: dict, key: str, value) -> None:
    if spec.get(key) and value not in spec[key]:
        raise login_failed(f"{value} is not among {key}")


def _flat(claims: dict) -> dict:
    """Converts claims to sub-claims: each is a list of strings."""
    return {name: [str(entry) for entry in (value if isinstance(value, list) else [value])]
            for name, value in claims.items() if not isinstance(value, dict)}


# -- the logins

def access_key(account: Account, method: Method, body: dict) -> dict:
    """spec: access_key."""
    if not hmac.compare_digest(_text(body, "access-key"), method.spec["access_key"]):
        raise login_failed("wrong access key")
    return {}


def k8s(account: Account, method: Method, body: dict) -> dict:
    """spec: config_name, keys, issuer, audience, bound_namespaces, bound_sa_names, bound_pod_names, require_gateway_url (any URL),
    gateway_url (exactly this URL, of the gateway that owns the auth config)."""
    spec = method.spec
    if _text(body, "k8s-auth-config-name") != spec["config_name"]:
        raise login_failed(f"no kubernetes auth config {body['k8s-auth-config-name']} for this access id")
    if spec.get("require_gateway_url") and not body.get("gateway-url"):
        raise login_failed("gateway-url is missing: this address does not own the kubernetes auth config")
    if "gateway_url" in spec and body.get("gateway-url") != spec["gateway_url"]:
        raise login_failed(f"no kubernetes auth config {spec['config_name']} at gateway {body.get('gateway-url')}")
    sent = _text(body, "k8s-service-account-token")
    # Clients send the token raw or in base64; only a raw token contains dots.
    token = sent if sent.count(".") == 2 else _base64(sent, "k8s-service-account-token").decode(errors="replace")
    if token != token.strip():
        raise login_failed("the service account token is not trimmed")
    claims = verified_claims(spec, token, account.now())
    inner = claims.get("kubernetes.io", {})
    pod = inner.get("pod", {})
    namespace, name = inner.get("namespace"), inner.get("serviceaccount", {}).get("name")
    _require_one_of(spec, "bound_namespaces", namespace)
    _require_one_of(spec, "bound_sa_names", name)
    _require_one_of(spec, "bound_pod_names", pod.get("name"))
    return _flat({"service_account_name": name, "service_account_uid": inner.get("serviceaccount", {}).get("uid"),
                  "namespace": namespace, "aud": claims.get("aud", []), "config_name": spec["config_name"],
                  **({"pod_name": pod["name"], "pod_uid": pod["uid"]} if pod else {})})


def jwt_login(account: Account, method: Method, body: dict) -> dict:
    """spec: keys, audience, issuer, bound_claims {name: [value]}."""
    claims = verified_claims(method.spec, _text(body, "jwt"), account.now())
    for name, values in method.spec.get("bound_claims", {}).items():
        if claims.get(name) not in values:
            raise login_failed(f"claim {name} is not among those bound")
    return _flat(claims)


def azure_ad(account: Account, method: Method, body: dict) -> dict:
    """spec: keys, audience, issuer. The service checks audience and issuer (docs/protocol/akeyless-api.md, "Cloud identities")."""
    spec = {"audience": "https://management.azure.com/", **method.spec}
    token = _base64(_text(body, "cloud-id"), "cloud-id").decode(errors="replace")
    claims = verified_claims(spec, token, account.now())
    _require_one_of(spec, "bound_object_ids", claims.get("oid"))
    return _flat(claims)


def gcp(account: Account, method: Method, body: dict) -> dict:
    """spec: keys, audience, issuer, bound_emails."""
    spec = {"audience": "akeyless.io", **method.spec}
    if body.get("gcp-audience") not in (None, "", spec["audience"]):
        raise login_failed("gcp-audience is not that of the auth method")
    token = _base64(_text(body, "cloud-id"), "cloud-id").decode(errors="replace")
    claims = verified_claims(spec, token, account.now())
    _require_one_of(spec, "bound_emails", claims.get("email"))
    return _flat(claims)


def universal_identity(account: Account, method: Method | None, body: dict) -> dict:
    """Exchanges a valid universal identity token for a session token."""
    text = _text(body, "uid-token")
    token = account.tokens.get(text) if text.startswith("u-") else None
    if token is None or token.expires <= account.now():
        raise login_failed("the universal identity token is unknown or has expired")
    return token.claims


def cert(account: Account, method: Method, body: dict) -> dict:
    """spec: ca_pem, allowed_names. The request has the key itself or a signed challenge."""
    from cryptography.hazmat.primitives import serialization

    certificate = trusted_certificate(account, method, body)
    public = certificate.public_key()
    if body.get("key-data"):
        try:
            key = serialization.load_pem_private_key(_base64(body["key-data"], "key-data"), None)
        except (ValueError, TypeError):
            raise login_failed("key-data is not a private key") from None
        shape = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*shape) != public.public_bytes(*shape):
            raise login_failed("the key is not that of the certificate")
    else:
        _check_challenge(account, method, body, public)
    return {"common_name": [certificate.subject.rfc4514_string()]}


def _check_challenge(account: Account, method: Method, body: dict, public) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    challenge = _text(body, "cert-challenge")
    signature = _base64(_text(body, "signed-cert-challenge"), "signed-cert-challenge")
    issued_to, ends = account.challenges.pop(challenge, (None, 0))
    if issued_to != method.access_id or ends <= account.now():
        raise login_failed("the challenge is unknown, was used, or has expired")
    signed = base64.b64decode(challenge)
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        else:
            raise login_failed("a challenge is signed by an RSA or an elliptic curve key")
    except InvalidSignature:
        raise login_failed("the challenge was not signed by the certificate's key") from None


def trusted_certificate(account: Account, method: Method, body: dict):
    """The first certificate of cert-data, which must be issued by the spec's authority and currently valid."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    try:
        certificate = x509.load_pem_x509_certificate(_base64(_text(body, "cert-data"), "cert-data"))
    except ValueError:
        raise login_failed("cert-data is not a PEM certificate") from None
    authority = x509.load_pem_x509_certificate(method.spec["ca_pem"].encode())
    how = ([ec.ECDSA(certificate.signature_hash_algorithm)]
           if isinstance(authority.public_key(), ec.EllipticCurvePublicKey)
           else [padding.PKCS1v15(), certificate.signature_hash_algorithm])
    try:
        authority.public_key().verify(certificate.signature, certificate.tbs_certificate_bytes, *how)
    except InvalidSignature:
        raise login_failed("no trusted authority issued the certificate") from None
    start, end = (calendar.timegm(moment.timetuple()) for moment in (certificate.not_valid_before, certificate.not_valid_after))
    if not start <= account.now() <= end:
        raise login_failed("the certificate has expired or is not valid yet")
    names = method.spec.get("allowed_names")
    if names and not any(f"CN={name}" in certificate.subject.rfc4514_string().split(",") for name in names):
        raise login_failed("the certificate's name is not allowed")
    return certificate


def new_challenge(account: Account, method: Method) -> str:
    text = base64.b64encode(secrets.token_bytes(48)).decode()
    account.challenges[text] = (method.access_id, account.now() + CHALLENGE_SECONDS)
    return text


# -- aws_iam

def aws_iam(account: Account, method: Method, body: dict) -> dict:
    """spec: keys {access key id: {secret, session_token, arn}}: with keys, the signature is verified as STS would."""
    outer = _json_object(_base64(_text(body, "cloud-id"), "cloud-id"), "cloud-id")
    if sorted(outer) != ["sts_request_body", "sts_request_headers", "sts_request_method", "sts_request_url"]:
        raise login_failed(f"cloud-id has the members {sorted(outer)}")
    if outer["sts_request_method"] != "POST":
        raise login_failed("sts_request_method is not POST")
    if _base64(outer["sts_request_body"], "sts_request_body") != STS_BODY:
        raise login_failed("sts_request_body is not GetCallerIdentity of 2011-06-15")
    url = urllib.parse.urlsplit(_base64(outer["sts_request_url"], "sts_request_url").decode(errors="replace"))
    hosts = method.spec.get("sts_hosts", account.settings["sts_hosts"])
    if url.scheme != "https" or url.path != "/" or not any(re.fullmatch(host, url.netloc) for host in hosts):
        raise login_failed(f"sts_request_url is {url.geturl()}")
    headers = _header_map(_json_object(_base64(outer["sts_request_headers"], "sts_request_headers"), "sts_request_headers"))
    signed = _signature_of(headers)
    moment = headers.get("x-amz-date", "")
    try:
        age = account.now() - calendar.timegm(time.strptime(moment, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise login_failed(f"X-Amz-Date is {moment!r}") from None
    if abs(age) > 15 * 60:
        raise login_failed(f"the signature is {age:.0f} s old")
    access_key_id = signed["Credential"].split("/")[0]
    keys = method.spec.get("keys")
    if keys is None:
        return {"access_key_id": [access_key_id]}
    if access_key_id not in keys:
        raise login_failed(f"InvalidClientTokenId: {access_key_id}")
    key = keys[access_key_id]
    if headers.get("x-amz-security-token") != key.get("session_token"):
        raise login_failed("InvalidClientTokenId: the security token is not that of the key")
    if not hmac.compare_digest(sigv4(key["secret"], signed, url.netloc, headers), signed["Signature"]):
        raise login_failed("SignatureDoesNotMatch")
    return {"arn": [key.get("arn", "arn:aws:iam::123456789012:role/app")]}


def _json_object(text: bytes, what: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise login_failed(f"{what} is not a JSON object")
    return value


def _header_map(headers: dict) -> dict:
    """Headers by lower-case name. Every value is a list of strings, as Go writes header maps."""
    for name, values in headers.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise login_failed(f"header {name} is not a list of strings")
    return {name.lower(): ",".join(values) for name, values in headers.items()}


def _signature_of(headers: dict) -> dict:
    algorithm, _, rest = headers.get("authorization", "").partition(" ")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if algorithm != "AWS4-HMAC-SHA256" or not {"Credential", "SignedHeaders", "Signature"} <= set(parts):
        raise login_failed("the Authorization header is not of AWS4-HMAC-SHA256")
    if len(parts["Credential"].split("/")) != 5 or parts["Credential"].split("/")[3:] != ["sts", "aws4_request"]:
        raise login_failed(f"the signature's scope is {parts['Credential']}")
    return parts


def sigv4(secret: str, signed: dict, host: str, headers: dict) -> str:
    """The signature that `signed` must contain. Host and Content-Length may be absent from the header map, because they are known."""
    values = {"host": host, "content-length": str(len(STS_BODY)), **headers}
    names = signed["SignedHeaders"].split(";")
    if "host" not in names or "x-amz-date" not in names or not set(names) <= set(values):
        raise login_failed(f"the signed headers are {signed['SignedHeaders']}")
    canonical = "\n".join(["POST", "/", "", *(f"{name}:{' '.join(values[name].split())}" for name in names), "",
                           signed["SignedHeaders"], hashlib.sha256(STS_BODY).hexdigest()])
    _, *scope = signed["Credential"].split("/")
    to_sign = "\n".join(["AWS4-HMAC-SHA256", values["x-amz-date"], "/".join(scope),
                         hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


# -- users

def ldap(account: Account, method: Method, body: dict) -> dict:
    """spec: users {name: password}."""
    name = _text(body, "username")
    if method.spec["users"].get(name) != _text(body, "ldap-password"):
        raise login_failed("wrong user or password")
    return {"username": [name]}


LOGINS = {"access_key": access_key, "k8s": k8s, "jwt": jwt_login, "azure_ad": azure_ad, "gcp": gcp, "cert": cert,
          "universal_identity": universal_identity, "aws_iam": aws_iam, "ldap": ldap}
