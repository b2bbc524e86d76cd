"""The control API for tests, on a separate port: JSON in, JSON out.

POST   /items {item}                 adds or replaces an item (items.py)
POST   /items/value {name, value, overwrite}
DELETE /items {name}
GET    /items                        name -> last_version, mints, leases
POST   /issuer {name}                the authority of an issuer: a PEM certificate or an OpenSSH public key
POST   /methods {method}             adds or replaces an auth method (logins.py)
POST   /methods/rules {access_id, rules}
POST   /methods/unblock {access_id}
GET    /methods                      access_id -> failures, blocked
POST   /uid {access_id}              creates a universal identity token
POST   /settings {setting: value}    account.py SETTINGS
POST   /clock {advance: seconds}     advances the gateway's clock
POST   /tokens/expire {access_id}    expires tokens; without access_id all
POST   /cache/clear
POST   /throttle {access_id, per_second, burst, retry_after}     without burst: no throttling
POST   /faults {fault} -> {number}   faults.py
DELETE /faults {number}              without number all faults
GET    /requests?since=N             the recorded requests
POST   /state {methods, items, settings}
POST   /reset                        resets everything
"""

import http.server
import json
import urllib.parse

from commands import issuer_of
from refused import Refused
from server import Gateway


def load(gateway: Gateway, state: dict) -> None:
    """Applies a state document: settings, methods, items, faults."""
    with gateway.account.lock:
        gateway.account.configure(state.get("settings", {}))
        for spec in state.get("methods", []):
            gateway.account.add_method(spec)
        for spec in state.get("items", []):
            gateway.account.add_item(spec)
    for spec in state.get("faults", []):
        gateway.add_fault(spec)


def _items(gateway: Gateway) -> dict:
    return {item.name: {"last_version": item.last_version, "mints": item.mints, "leases": sorted(item.leases)}
            for item in gateway.account.items.values()}


def _authority(gateway: Gateway, name: str) -> dict:
    issuer = issuer_of(gateway.account, gateway.account.items["/" + name.lstrip("/")])
    return {"authority": issuer.authority}


def _methods(gateway: Gateway) -> dict:
    account = gateway.account
    return {method.access_id: {"failures": method.failures, "blocked": method.blocked_until > account.now()}
            for method in account.methods.values()}


def _unblock(gateway: Gateway, access_id: str) -> None:
    method = gateway.account.methods[access_id]
    method.failures, method.blocked_until = 0, 0.0


def _advance(gateway: Gateway, seconds: float) -> None:
    gateway.account.clock_offset += seconds


def _set_rules(gateway: Gateway, body: dict) -> None:
    gateway.account.methods[body["access_id"]].rules = body["rules"]


def _delete_item(gateway: Gateway, name: str) -> None:
    del gateway.account.items["/" + name.lstrip("/")]


def _put(gateway: Gateway, body: dict) -> dict:
    account = gateway.account
    item = account.items["/" + body["name"].lstrip("/")]
    return {"last_version": item.put(body["value"], account.now(), body.get("overwrite", False))}


ROUTES = {
    ("POST", "/items"): lambda g, b: {"item_id": g.account.add_item(b).item_id},
    ("POST", "/items/value"): _put,
    ("DELETE", "/items"): lambda g, b: _delete_item(g, b["name"]),
    ("GET", "/items"): lambda g, b: _items(g),
    ("POST", "/issuer"): lambda g, b: _authority(g, b["name"]),
    ("POST", "/methods"): lambda g, b: {"access_id": g.account.add_method(b).access_id},
    ("POST", "/methods/rules"): _set_rules,
    ("POST", "/methods/unblock"): lambda g, b: _unblock(g, b["access_id"]),
    ("GET", "/methods"): lambda g, b: _methods(g),
    ("POST", "/uid"): lambda g, b: {"token": g.account.new_uid_token(g.account.methods[b["access_id"]])},
    ("POST", "/settings"): lambda g, b: g.account.configure(b),
    ("POST", "/clock"): lambda g, b: _advance(g, b["advance"]),
    ("POST", "/tokens/expire"): lambda g, b: {"ended": g.account.expire_tokens(b.get("access_id"))},
    ("POST", "/cache/clear"): lambda g, b: g.account.cache.clear(),
    ("POST", "/throttle"): lambda g, b: g.throttle(b["access_id"], b if "burst" in b else None),
    ("POST", "/faults"): lambda g, b: {"number": g.add_fault(b)},
    ("DELETE", "/faults"): lambda g, b: g.remove_faults(b.get("number")),
    ("POST", "/state"): load,
    ("POST", "/reset"): lambda g, b: g.reset(),
}


class ControlHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gateway: Gateway

    def log_message(self, *_):
        pass

    def do_GET(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        status, reply = 200, None
        try:
            if (self.command, parts.path) == ("GET", "/requests"):
                since = int(urllib.parse.parse_qs(parts.query).get("since", ["0"])[0])
                reply = self.gateway.recording.since(since)
            elif (self.command, parts.path) in ROUTES:
                with self.gateway.account.lock:
                    reply = ROUTES[self.command, parts.path](self.gateway, json.loads(raw) if raw else {})
            else:
                status, reply = 404, {"error": f"no {self.command} {parts.path}"}
        except (Refused, ValueError, KeyError, TypeError) as error:
            status, reply = 400, {"error": f"{type(error).__name__}: {error}"}
        body = json.dumps(reply).encode()
        self.wfile.write(b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            status, http.HTTPStatus(status).phrase.encode(), len(body), body))

    do_POST = do_DELETE = do_GET
