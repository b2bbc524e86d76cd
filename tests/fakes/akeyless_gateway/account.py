"""An Akeyless account as the gateway sees it: auth methods with their rules, tokens, items, and the settings of the tests.

Everything here is guarded by `lock`; commands and control calls hold it from start to end.
"""

import re
import secrets
import threading
import time

from items import Item, canonical
from refused import Refused, denied, invalid_credentials, not_found

ACCOUNT_ID = "acc-fake0000fake"

# Settings that tests may change. The defaults are the likely behaviour of the service (docs/protocol/akeyless-api.md,
# "Refusals and blocking" and "Static secrets"); "unverified": not observed there.
SETTINGS = {
    "prefixes": ["", "/v2", "/api/v2"],  # where version 2 of the API is served
    "v1_prefixes": ["/api/v1"],          # where every call gets "unknown command"
    "token_ttl": 900,                    # seconds; unverified: the default; clients of the vendor assume 15 minutes
    "expiration": "go",                  # format of the expiration in /auth: go, rfc3339, rfc3339nano, bare, none, or literal text
    "denied_marker": "UnauthorizedAccess",  # from documentation; clients must not rely on the word
    "missing_access_id_status": 401,     # unverified: 400 or 401
    "block_after": 5,                    # consecutive failed logins; 0 = never
    "block_seconds": 60,
    "block_status": 429,                 # unverified: 429 or 401
    "names": "requested",                # keys of get-secret-value: as requested (from clients' code; unverified), or "item" for full names
    "static_values": "string",           # "object": JSON formats arrive as JSON; clients accept both; unverified: when
    "missing_name": "fail",              # one missing name of several: "fail" the call, or "omit" it; unverified: which
    "unknown_version_status": 404,       # unverified
    "paging": "asked",                   # "always": list-items returns pages although auto-pagination is enabled
    "page_size": 1000,
    "cache": "off",                      # "refresh": the old value once, then the new one; "frozen": always the old value
    "cache_describe": False,             # unverified
    "saas_down": False,
    "sts_hosts": [r"sts\.amazonaws\.com", r"sts\.[a-z0-9-]+\.amazonaws\.com(\.cn)?"],
    "uid_old_lives": False,              # a plain rotation leaves the old token valid
    "extra_fields": False,               # unknown members in every response
}


class Method:
    """An auth method with the access rules of its role. `spec`: access_id, type, rules and the members of its type (logins.py)."""

    def __init__(self, spec: dict):
        self.access_id = spec["access_id"]
        self.type = spec.get("type", "access_key")
        self.rules = spec.get("rules", [{"path": "/*", "capabilities": ["read", "list"]}])
        self.spec = spec
        self.failures = 0
        self.blocked_until = 0.0
        self.bucket: dict | None = None


class Token:
    def __init__(self, method: Method, claims: dict, expires: float):
        self.method = method
        self.claims = claims
        self.expires = expires
        self.acknowledges: str | None = None  # universal identity: the token that this one replaces once acknowledged


class Account:
    def __init__(self):
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        self.settings = {key: list(value) if isinstance(value, list) else value for key, value in SETTINGS.items()}
        self.methods: dict[str, Method] = {}
        self.items: dict[str, Item] = {}
        self.tokens: dict[str, Token] = {}
        self.challenges: dict[str, tuple] = {}
        self.cache: dict[tuple, object] = {}
        self.clock_offset = 0.0
        self._last_item_id = 2**53  # larger than a double can represent: clients must parse it as a 64-bit integer

    def now(self) -> float:
        return time.time() + self.clock_offset

    def configure(self, changes: dict) -> None:
        for key, value in changes.items():
            if key not in SETTINGS:
                raise Refused(400, f"no setting {key}: one of {', '.join(sorted(SETTINGS))}")
            self.settings[key] = value

    # -- methods and tokens

    def add_method(self, spec: dict) -> Method:
        method = Method(spec)
        self.methods[method.access_id] = method
        for token in spec.get("uid_tokens", []):
            self.tokens[token] = self._uid_token(method)
        return method

    def _uid_token(self, method: Method) -> Token:
        minutes = method.spec.get("ttl_minutes", 60)
        return Token(method, {}, self.now() + 60 * minutes)

    def new_uid_token(self, method: Method) -> str:
        text = "u-" + secrets.token_hex(16)
        self.tokens[text] = self._uid_token(method)
        return text

    def new_token(self, method: Method, claims: dict) -> tuple[str, float]:
        text = "t-" + secrets.token_hex(16)
        expires = self.now() + method.spec.get("token_ttl", self.settings["token_ttl"])
        self.tokens[text] = Token(method, claims, expires)
        return text, expires

    def owner_of(self, text) -> Method | None:
        token = self.tokens.get(text) if isinstance(text, str) else None
        return token.method if token else None

    def token_of(self, body: dict) -> Token:
        """The caller's token. A token of the wrong kind for its field is treated as unknown."""
        field, prefix = ("uid-token", "u-") if body.get("uid-token") else ("token", "t-")
        text = body.get(field)
        if not text:
            raise Refused(401, "missing required parameter: token")
        token = self.tokens.get(text) if isinstance(text, str) and text.startswith(prefix) else None
        if token is None:
            raise invalid_credentials("the token is unknown")
        if token.expires <= self.now():
            raise invalid_credentials("credentials have expired")
        return token

    def expire_tokens(self, access_id: str | None) -> int:
        ended = [text for text, token in self.tokens.items() if access_id in (None, token.method.access_id)]
        for text in ended:
            self.tokens[text].expires = 0
        return len(ended)

    # -- items and rights

    def add_item(self, spec: dict) -> Item:
        self._last_item_id += 1
        item = Item(spec, self._last_item_id, self.now())
        self.items[item.name] = item
        return item

    def permissions(self, token: Token, name: str) -> set:
        """Capabilities on a path. Deny takes precedence; each other capability includes list."""
        granted = set()
        for rule in token.method.rules:
            wanted = rule.get("sub_claims", {})
            if all(set(values) & set(token.claims.get(claim, [])) for claim, values in wanted.items()) and _matches(
                    rule["path"], name, token.claims):
                granted |= set(rule["capabilities"])
        if "deny" in granted:
            return set()
        return granted | {"list"} if granted else granted

    def require(self, token: Token, name: str, capability: str) -> None:
        if capability not in self.permissions(token, name):
            raise denied(ACCOUNT_ID, token.method.access_id, name, self.settings["denied_marker"])

    def item(self, token: Token, requested, capability: str = "read", *types: str) -> Item:
        """The item that a call names, which must have one of these types. Errors: 400, 401, 404."""
        if not isinstance(requested, str) or not requested:
            raise Refused(400, "missing required parameter: name")
        name = canonical(requested)
        self.require(token, name, capability)
        item = self.items.get(name)
        if item is None:
            raise not_found(name)
        if types and item.type not in types:
            raise Refused(400, f"item {name} is of type {item.type}, not {' or '.join(types)}")
        if capability == "read" and not item.enabled:
            raise Refused(400, f"item {name} is disabled")
        return item

    # -- the gateway's cache

    def read_through(self, key: tuple, body: dict, read):
        """The result of `read()`, or a cached one: see the settings cache and saas_down.

        `ignore-cache` goes to the service, but a gateway that cannot reach it answers from its cache all the same
        (docs/protocol/akeyless-api.md, "Cache of a gateway").
        """
        mode = self.settings["cache"]
        cached = self.cache.get(key) if mode != "off" else None
        if self.settings["saas_down"]:
            if cached is None:
                raise Refused(500, "failed to reach the Akeyless service")
            return cached
        if cached is not None and str(body.get("ignore-cache", "false")).lower() != "true":
            if mode == "refresh":
                self.cache[key] = read()
            return cached
        fresh = read()
        if mode != "off":
            self.cache[key] = fresh
        return fresh


def _matches(pattern: str, name: str, claims: dict) -> bool:
    """`*` matches anything, `+` one segment, `{{claim}}` any value of the claim."""
    regex = ""
    for part in re.split(r"(\*|\+|\{\{[^}]*\}\})", pattern):
        if part == "*":
            regex += ".*"
        elif part == "+":
            regex += "[^/]+"
        elif part.startswith("{{"):
            values = claims.get(part[2:-2].strip(), [])
            regex += "(?:" + "|".join(map(re.escape, values)) + ")" if values else r"(?!)"
        else:
            regex += re.escape(part)
    return re.fullmatch(regex, name, re.DOTALL) is not None
