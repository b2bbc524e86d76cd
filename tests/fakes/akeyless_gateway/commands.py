"""The commands of the API: each takes the account and the request's JSON object, and returns the response's."""

import datetime
import json

import logins
from account import Account, Method, Token
from items import (CERTIFICATE, CLASSIC_KEY, DYNAMIC, FILTER_TYPES, PKI_ISSUER, ROTATED, SSH_ISSUER, STATIC, canonical, rfc3339)
from refused import Refused, bad_request, denied, invalid_credentials, login_failed


# -- logins

def auth(account: Account, body: dict) -> dict:
    kind = body.get("access-type") or "access_key"
    if kind in ("saml", "oidc") and not body.get("jwt"):
        return {"complete_auth_link": "https://console.example.com/login", "token": ""}
    if kind == "universal_identity":
        method = account.owner_of(body.get("uid-token"))
        if method is None:
            raise login_failed("the universal identity token is unknown")
    else:
        method = _method_of(account, body)
    return attempt(account, method, lambda: _log_in(account, method, kind, body))


def _method_of(account: Account, body: dict) -> Method:
    access_id = body.get("access-id")
    if not access_id:
        raise Refused(account.settings["missing_access_id_status"], "Missing required parameter - AccessId")
    method = account.methods.get(access_id)
    if method is None:
        raise login_failed(f"access id {access_id} is unknown")
    return method


def _log_in(account: Account, method: Method, kind: str, body: dict) -> dict:
    if account.settings["saas_down"]:
        raise Refused(500, "failed to reach the Akeyless service")
    if kind != method.type or kind not in logins.LOGINS:
        raise login_failed(f"auth method of {method.access_id} is not of type {kind}")
    claims = logins.LOGINS[kind](account, method, body)
    token, expires = account.new_token(method, claims)
    return {"token": token, "creds": {}, **_expiration(account.settings["expiration"], expires)}


def attempt(account: Account, method: Method, log_in):
    """Counts consecutive failures: beyond the limit the access id is blocked for a while, whatever it sends."""
    settings = account.settings
    if method.blocked_until > account.now():
        raise Refused(settings["block_status"], f"access id {method.access_id} is blocked after too many failed logins",
                      {"Retry-After": str(int(method.blocked_until - account.now()) + 1)}
                      if settings["block_status"] == 429 else None)
    try:
        made = log_in()
    except Refused as refused:
        if refused.status in (400, 401):
            method.failures += 1
            if settings["block_after"] and method.failures >= settings["block_after"]:
                method.blocked_until = account.now() + settings["block_seconds"]
                method.failures = 0
        raise
    method.failures = 0
    return made


def _expiration(how: str, expires: float) -> dict:
    moment = datetime.datetime.fromtimestamp(int(expires), datetime.timezone.utc)
    shapes = {"go": "%Y-%m-%d %H:%M:%S +0000 UTC", "rfc3339": "%Y-%m-%dT%H:%M:%SZ", "rfc3339nano": "%Y-%m-%dT%H:%M:%S.123456789Z",
              "bare": "%Y-%m-%d %H:%M:%S +0000"}
    if how == "none":
        return {}
    return {"expiration": moment.strftime(shapes[how]) if how in shapes else how}


def get_cert_challenge(account: Account, body: dict) -> dict:
    method = _method_of(account, body)
    if method.type != "cert":
        raise bad_request(f"auth method of {method.access_id} is not of type cert")
    logins.trusted_certificate(account, method, body)
    return {"challenge": logins.new_challenge(account, method)}


def validate_token(account: Account, body: dict) -> dict:
    token = account.token_of(body)
    return {"is_valid": True, "ttl": int(token.expires - account.now()), "reason": "", "last_rotate": "",
            **_expiration("go", token.expires)}


def describe_sub_claims(account: Account, body: dict) -> dict:
    return {"sub_claims": account.token_of(body).claims}


# -- universal identity

def uid_rotate_token(account: Account, body: dict) -> dict:
    """A plain rotation invalidates the old token at once. With manual acknowledgement both are valid until the new one is acknowledged."""
    old = body.get("uid-token")
    method = account.owner_of(old)
    if method is None:
        raise invalid_credentials("the universal identity token is unknown")
    return attempt(account, method, lambda: _rotate(account, method, old, body))


def _rotate(account: Account, method: Method, old: str, body: dict) -> dict:
    token = account.tokens[old]
    if token.expires <= account.now():
        raise invalid_credentials("the universal identity token has expired")
    acknowledged = body.get("send-manual-ack-token")
    if acknowledged:
        new = account.tokens.get(acknowledged)
        if new is None or new.acknowledges != old:
            raise bad_request("send-manual-ack-token is not a token that this one was rotated to")
        new.acknowledges = None
        del account.tokens[old]
        return {"token": acknowledged}
    if method.spec.get("deny_rotate"):
        raise denied("", method.access_id, "its token: it may not be rotated")
    fresh = account.new_uid_token(method)
    if body.get("with-manual-ack"):
        account.tokens[fresh].acknowledges = old
    elif not body.get("fork") and not account.settings["uid_old_lives"]:
        del account.tokens[old]
    return {"token": fresh}


def uid_create_child_token(account: Account, body: dict) -> dict:
    parent = account.token_of(body)
    child = account.new_uid_token(parent.method)
    if body.get("child-ttl"):
        account.tokens[child].expires = account.now() + 60 * int(body["child-ttl"])
    if body.get("comment"):
        account.tokens[child].claims = {"uid_comment": [body["comment"]]}
    return {"token": child}


def uid_revoke_token(account: Account, body: dict) -> dict:
    account.tokens.pop(body.get("revoke-token"), None)
    return {}


# -- descriptions

def describe_item(account: Account, body: dict) -> dict:
    token = account.token_of(body)
    name = body.get("name") or next((item.name for item in account.items.values() if item.item_id == body.get("item-id")), None)

    def read() -> dict:
        item = account.item(token, name, "list")
        return item.describe(account.permissions(token, item.name), bool(body.get("show-versions")))

    if not account.settings["cache_describe"] and not account.settings["saas_down"]:
        return read()
    account.require(token, canonical(name or ""), "list")
    return account.read_through(("describe", name), {}, read)


def list_items(account: Account, body: dict) -> dict:
    token = account.token_of(body)
    path = canonical(body.get("path") or "/")
    wanted = {FILTER_TYPES.get(kind, kind) for kind in body.get("type") or []}
    minimal = bool(body.get("minimal-view"))
    found = []
    for name in sorted(account.items):
        item = account.items[name]
        permissions = account.permissions(token, name)
        if ("list" in permissions and item.is_in(path, bool(body.get("current-folder")))
                and (body.get("filter") or "") in name
                and (not wanted or item.type in wanted)
                and (not body.get("sub-types") or item.spec.get("sub_type", "generic") in body["sub-types"])
                and (not body.get("tag") or body["tag"] in item.spec.get("tags", []))
                # unverified: whether the bound belongs to it; taken as belonging.
                and item.modified >= float(body.get("modified-after") or 0)):
            found.append(item.listed(permissions, minimal))
    start, size = _page_of(account, body)
    reply = {"items": found[start:start + size], "folders": _folders(account, token, path), "has_next": len(found) > start + size}
    reply["next_page"] = f"page-at-{start + size}" if reply["has_next"] else ""
    return reply


def _page_of(account: Account, body: dict) -> tuple[int, int]:
    """Where the page begins, and how long it is. Unverified: with auto-pagination the service joins the pages itself."""
    page_token = body.get("pagination-token") or "page-at-0"
    if not page_token.startswith("page-at-") or not page_token[8:].isdigit():
        raise bad_request("pagination-token is not valid")
    paged = account.settings["paging"] == "always" or body.get("auto-pagination", "enabled") == "disabled"
    return int(page_token[8:]), account.settings["page_size"] if paged else len(account.items) + 1


def _folders(account: Account, token: Token, path: str) -> list:
    below = path.rstrip("/") + "/"
    names = (name for name in account.items if name.startswith(below) and "list" in account.permissions(token, name))
    return sorted({below + name[len(below):].split("/")[0] + "/" for name in names if "/" in name[len(below):]})


def get_tags(account: Account, body: dict) -> list:
    return account.item(account.token_of(body), body.get("name"), "list").spec.get("tags", [])


# -- reads

def get_secret_value(account: Account, body: dict) -> dict:
    token = account.token_of(body)
    names = body.get("names")
    if not isinstance(names, list) or not names:
        raise bad_request("missing required parameter: names")
    values = {}
    for requested in names:
        try:
            item = account.item(token, requested, "read", STATIC)
        except Refused as refused:
            if refused.status == 404 and account.settings["missing_name"] == "omit" and len(names) > 1:
                continue
            raise
        value = _versioned(account, item, body)
        if account.settings["static_values"] == "object":
            value = _as_json(item, value)
        values[requested if account.settings["names"] == "requested" else item.name] = value
    return values


def _versioned(account: Account, item, body: dict):
    version = body.get("version") or 0
    return account.read_through((item.name, version), body,
                                lambda: item.at(version, account.settings["unknown_version_status"]))


def _as_json(item, value):
    if item.spec.get("format", "text") == "text" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def get_rotated_secret_value(account: Account, body: dict) -> dict:
    """`names` is a string; some clients send a list with one element."""
    token = account.token_of(body)
    names = body.get("names") or body.get("name")
    if isinstance(names, list):
        if len(names) != 1:
            raise bad_request("names: one item at a time")
        names = names[0]
    item = account.item(token, names, "read", ROTATED)
    return {"value": _versioned(account, item, body)}


def get_dynamic_secret_value(account: Account, body: dict) -> dict:
    """Creates new credentials on each call; never cached."""
    item = account.item(account.token_of(body), body.get("name"), "read", DYNAMIC)
    if account.settings["saas_down"]:
        raise Refused(500, "failed to reach the Akeyless service")
    return item.mint(account.now())


def dynamic_secret_tmp_creds_get(account: Account, body: dict) -> list:
    item = account.item(account.token_of(body), body.get("name"), "read", DYNAMIC)
    return [{**lease, "expires": rfc3339(lease["expires"])} for lease in item.leases.values()]


def dynamic_secret_tmp_creds_delete(account: Account, body: dict) -> dict:
    item = account.item(account.token_of(body), body.get("name"), "delete", DYNAMIC)
    if body.get("revoke-all"):
        item.leases.clear()
    item.leases.pop(body.get("tmp-creds-id"), None)
    return {}


def get_certificate_value(account: Account, body: dict) -> dict:
    item = account.item(account.token_of(body), body.get("name"), "read", CERTIFICATE)
    return _versioned(account, item, body)


def export_classic_key(account: Account, body: dict) -> dict:
    """The value in spec is an object with key and, optionally, certificatePem and ssh."""
    item = account.item(account.token_of(body), body.get("name"), "read", CLASSIC_KEY)
    return _versioned(account, item, body)


# -- issuers

def issuer_of(account: Account, item):
    """The issuer that signs for the item; its keys are created at the first call."""
    # Imported here, because a gateway without issuers must run with Python's standard library only.
    import issuers

    if item.issuer is None:
        item.issuer = (issuers.PkiIssuer if item.type == PKI_ISSUER else issuers.SshIssuer)(item.spec, account.now())
    return item.issuer


def _issued(account: Account, body: dict, kind: str) -> tuple:
    """The item and a new certificate that it issued."""
    item = account.item(account.token_of(body), body.get("cert-issuer-name"), "read", kind)
    if account.settings["saas_down"]:
        raise Refused(500, "failed to reach the Akeyless service")
    certificate = issuer_of(account, item).issue(body, account.now())
    item.mints += 1
    return item, certificate


def get_pki_certificate(account: Account, body: dict) -> dict:
    item, certificate = _issued(account, body, PKI_ISSUER)
    return {"data": certificate, "parent_cert": item.issuer.authority, "path": "", "cert_display_id": f"cert-{item.mints:08d}",
            "cert_item_id": item.item_id + item.mints, "reading_token": ""}


def get_ssh_certificate(account: Account, body: dict) -> dict:
    return {"data": _issued(account, body, SSH_ISSUER)[1], "path": ""}


# -- writes

def create_secret(account: Account, body: dict) -> dict:
    token = account.token_of(body)
    name = canonical(body.get("name") or "")
    account.require(token, name, "create")
    if name in account.items:
        raise Refused(409, f"AlreadyExists: {name}")  # unverified: 400 or 409
    account.add_item({"name": name, "value": body.get("value", ""), "format": body.get("format", "text"),
                      "tags": body.get("tags") or [], "description": body.get("description") or ""})
    return {"name": name}


def update_secret_val(account: Account, body: dict) -> dict:
    item = account.item(account.token_of(body), body.get("name"), "update", STATIC)
    before = body.get("last-version")
    if before and int(before) != item.last_version:
        raise Refused(409, f"Conflict: the last version of {item.name} is {item.last_version}")  # unverified
    item.put(body.get("value", ""), account.now(), overwrite=str(body.get("keep-prev-version", "false")).lower() != "true")
    return {"name": item.name}


def delete_item(account: Account, body: dict) -> dict:
    item = account.item(account.token_of(body), body.get("name"), "delete")
    del account.items[item.name]
    return {"item_name": item.name, "item_id": item.item_id, "version_deleted": -1, "deletion_date": rfc3339(account.now())}


COMMANDS = {
    "auth": auth, "get-cert-challenge": get_cert_challenge, "validate-token": validate_token,
    "describe-sub-claims": describe_sub_claims, "uid-rotate-token": uid_rotate_token,
    "uid-create-child-token": uid_create_child_token, "uid-revoke-token": uid_revoke_token,
    "describe-item": describe_item, "list-items": list_items, "get-tags": get_tags,
    "get-secret-value": get_secret_value, "get-rotated-secret-value": get_rotated_secret_value,
    "rotated-secret-get-value": get_rotated_secret_value, "get-dynamic-secret-value": get_dynamic_secret_value,
    "dynamic-secret-get-value": get_dynamic_secret_value, "dynamic-secret-tmp-creds-get": dynamic_secret_tmp_creds_get,
    "dynamic-secret-tmp-creds-delete": dynamic_secret_tmp_creds_delete, "get-certificate-value": get_certificate_value,
    "export-classic-key": export_classic_key, "get-pki-certificate": get_pki_certificate, "get-ssh-certificate": get_ssh_certificate, "create-secret": create_secret, "update-secret-val": update_secret_val,
    "delete-item": delete_item,
}
