"""The scriptable Akeyless gateway of tests/fakes/akeyless_gateway as a server of the test bed."""

import collections
import itertools
import pathlib
import secrets
import sys

from bed.certificates import Certificate
from bed.json_client import JsonClient
from bed.process import REPOSITORY, BedError, Process, free_port

# The second-to-last character of an access id encodes the type of its auth method; those of the last three types are unknown.
_LETTERS = {"access_key": "a", "jwt": "o", "aws_iam": "w", "k8s": "k", "gcp": "g", "azure_ad": "z", "universal_identity": "u",
            "cert": "c", "ldap": "l"}
_numbers = itertools.count(1)

# The commands that are logins.
LOGINS = ("auth", "uid-rotate-token")


class AkeylessGateway:
    """One gateway with an empty account. `url` is the gateway URL for a class.

    The specs of auth methods, items, settings and faults are documented in tests/fakes/akeyless_gateway (logins.py, items.py,
    account.py, faults.py).
    """

    def __init__(self, directory: pathlib.Path, *, tls: Certificate | None = None, prefix: str = "/api/v2"):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        control_port = free_port()
        self.prefix = prefix
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._control = JsonClient(f"http://127.0.0.1:{control_port}")
        self._process = Process("akeyless-gateway", [
            sys.executable, REPOSITORY / "tests" / "fakes" / "akeyless_gateway", "--port", self.port,
            "--control-port", control_port, *(["--tls-cert", tls.cert, "--tls-key", tls.key] if tls else [])], directory)

    def __enter__(self) -> "AkeylessGateway":
        try:
            self._process.start()
            self._process.wait_until(lambda: self._control.request("GET", "/methods").ok)
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()

    @property
    def url(self) -> str:
        return self.base + self.prefix

    def control(self, method: str, path: str, body=None):
        reply = self._control.request(method, path, body)
        if not reply.ok:
            raise BedError(f"akeyless gateway: {method} {path}: {reply.status} {reply.text}")
        return reply.json

    def pause(self) -> None:
        self._process.pause()

    def resume(self) -> None:
        self._process.resume()

    # -- auth methods

    def add_method(self, type: str, *, access_id: str | None = None, rules: list | None = None, **spec) -> str:
        """Adds an auth method with a role of these rules, (path, capability, ...) each. Returns its access id."""
        access_id = access_id or f"p-{next(_numbers):010d}{_LETTERS[type]}m"
        if rules is not None:
            spec["rules"] = _rules(rules)
        self.control("POST", "/methods", {"access_id": access_id, "type": type, **spec})
        return access_id

    def add_access_key(self, **options) -> tuple[str, str]:
        """Returns access id and key; options as for `add_method`."""
        key = secrets.token_urlsafe(32)
        return self.add_method("access_key", access_key=key, **options), key

    def set_rules(self, access_id: str, rules: list) -> None:
        self.control("POST", "/methods/rules", {"access_id": access_id, "rules": _rules(rules)})

    def add_uid_token(self, access_id: str) -> str:
        return self.control("POST", "/uid", {"access_id": access_id})["token"]

    def failures(self, access_id: str) -> int:
        """The number of consecutive failed logins."""
        return self.control("GET", "/methods")[access_id]["failures"]

    def is_blocked(self, access_id: str) -> bool:
        return self.control("GET", "/methods")[access_id]["blocked"]

    def expire_tokens(self, access_id: str | None = None) -> int:
        """Expires tokens immediately; returns their number."""
        return self.control("POST", "/tokens/expire", {"access_id": access_id})["ended"]

    # -- items

    def add_item(self, name: str, value="", type: str = "STATIC_SECRET", **spec) -> str:
        spec = {"name": name, "type": type, **spec}
        if "versions" not in spec:
            spec["value"] = value
        self.control("POST", "/items", spec)
        return name

    def put(self, name: str, value, overwrite: bool = False) -> int:
        """Writes a value as a new version, or over the last one. Returns the version."""
        return self.control("POST", "/items/value", {"name": name, "value": value, "overwrite": overwrite})["last_version"]

    def delete_item(self, name: str) -> None:
        self.control("DELETE", "/items", {"name": name})

    def mints(self, name: str) -> int:
        """How often credentials or certificates of the item were issued."""
        return self.control("GET", "/items")["/" + name.lstrip("/")]["mints"]

    def authority(self, issuer: str) -> str:
        """The CA certificate (PEM) or OpenSSH public key of an issuer."""
        return self.control("POST", "/issuer", {"name": issuer})["authority"]

    # -- behaviour and faults

    def set(self, **settings) -> None:
        self.control("POST", "/settings", settings)

    def advance(self, seconds: float) -> None:
        """Advances the gateway's clock, which expires tokens and blocks."""
        self.control("POST", "/clock", {"advance": seconds})

    def throttle(self, access_id: str, per_second: float, burst: int, retry_after: str | int | None = None) -> None:
        self.control("POST", "/throttle", {
            "access_id": access_id, "per_second": per_second, "burst": burst, "retry_after": retry_after})

    def unthrottle(self, access_id: str) -> None:
        self.control("POST", "/throttle", {"access_id": access_id})

    def fault(self, kind: str, **spec) -> int:
        return self.control("POST", "/faults", {"kind": kind, **spec})["number"]

    def heal(self) -> None:
        """Removes all faults."""
        self.control("DELETE", "/faults", {})

    def clear_cache(self) -> None:
        self.control("POST", "/cache/clear", {})

    # -- recorded requests

    def mark(self) -> int:
        """The current position, for `since`."""
        return len(self.requests())

    def requests(self, since: int = 0, *commands: str, access_id: str | None = None) -> list[dict]:
        """The requests, oldest first: n, command, path, headers, body, access_id, status, fault, connection."""
        return [entry for entry in self.control("GET", f"/requests?since={since}")
                if (not commands or entry["command"] in commands) and access_id in (None, entry["access_id"])]

    def counts(self, since: int = 0, access_id: str | None = None) -> collections.Counter:
        return collections.Counter(entry["command"] for entry in self.requests(since, access_id=access_id))

    def logins(self, since: int = 0, access_id: str | None = None) -> int:
        """Successful logins."""
        return sum(entry["status"] == 200 for entry in self.requests(since, *LOGINS, access_id=access_id))

    def failed_logins(self, since: int = 0, access_id: str | None = None) -> int:
        return sum(entry["status"] != 200 for entry in self.requests(since, *LOGINS, access_id=access_id))

    def reads(self, since: int = 0, access_id: str | None = None) -> int:
        """Requests other than logins."""
        return sum(entry["command"] not in LOGINS for entry in self.requests(since, access_id=access_id))


def _rules(rules: list) -> list:
    return [rule if isinstance(rule, dict) else {"path": rule[0], "capabilities": list(rule[1:])} for rule in rules]
