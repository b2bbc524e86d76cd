"""The gateway's HTTP server: prefixes, throttling, faults and the recording around the commands."""

import http.server
import itertools
import json
import socket
import ssl
import struct
import threading
import time

from account import Account
from commands import COMMANDS
from faults import Fault
from refused import Refused

NOT_FOUND_TEXT = "404 page not found\n"  # as Go's mux responds; shows a wrong port or path


class Answer:
    def __init__(self, status: int, body: bytes, content_type: str = "application/json", headers: dict | None = None):
        self.status = status
        self.body = body
        self.headers = {"Content-Type": content_type, **(headers or {})}


def as_json(status: int, value, headers: dict | None = None) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode(), headers=headers)


class Recording:
    """Every request, oldest first: n, time, command, path, method, headers, body, access_id, status, fault, connection."""

    def __init__(self):
        self._lock = threading.Lock()
        self._entries: list[dict] = []

    def add(self, entry: dict) -> dict:
        with self._lock:
            entry["n"] = len(self._entries)
            self._entries.append(entry)
        return entry

    def since(self, n: int) -> list[dict]:
        with self._lock:
            return [dict(entry) for entry in self._entries[n:]]

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


class Gateway:
    """Account, faults, throttles and recording of one gateway. Thread-safe."""

    def __init__(self, account: Account):
        self.account = account
        self.recording = Recording()
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        self._throttles: dict[str, dict] = {}

    def add_fault(self, spec: dict) -> int:
        with self._lock:
            fault = Fault(next(self._numbers), spec)
            self._faults.append(fault)
            return fault.number

    def remove_faults(self, number: int | None = None) -> None:
        with self._lock:
            self._faults = [fault for fault in self._faults if number is not None and fault.number != number]

    def throttle(self, access_id: str, spec: dict | None) -> None:
        """spec: per_second, burst, retry_after (the header's value, or null for no header)."""
        with self._lock:
            self._throttles.pop(access_id, None)
            if spec is not None:
                self._throttles[access_id] = {**spec, "tokens": float(spec["burst"]), "at": time.monotonic()}

    def reset(self) -> None:
        with self.account.lock:
            self.account.reset()
        self.remove_faults()
        with self._lock:
            self._throttles.clear()
            self.recording = Recording()

    def fault_for(self, command: str, access_id: str | None, body) -> Fault | None:
        names = []
        if isinstance(body, dict):
            named = body.get("names") or body.get("name") or body.get("cert-issuer-name") or []
            names = named if isinstance(named, list) else [named]
        with self._lock:
            return next((fault for fault in self._faults if fault.matches(command, access_id, names)), None)

    def _throttled(self, access_id: str | None) -> Answer | None:
        with self._lock:
            bucket = self._throttles.get(access_id)
            if bucket is None:
                return None
            now = time.monotonic()
            bucket["tokens"] = min(bucket["burst"], bucket["tokens"] + (now - bucket["at"]) * bucket["per_second"])
            bucket["at"] = now
            if bucket["tokens"] >= 1:
                bucket["tokens"] -= 1
                return None
            wait = bucket.get("retry_after")
        return as_json(429, {"error": "too many requests"}, {"Retry-After": str(wait)} if wait is not None else None)

    def answer(self, command: str, access_id: str | None, body) -> Answer:
        """The response to a request that was received completely."""
        if command not in COMMANDS:
            return Answer(404, NOT_FOUND_TEXT.encode(), "text/plain; charset=utf-8")
        if not isinstance(body, dict):
            return as_json(400, {"error": "the request is not a JSON object"})
        limited = self._throttled(access_id)
        if limited is not None:
            return limited
        try:
            with self.account.lock:
                reply = COMMANDS[command](self.account, body)
                if self.account.settings["extra_fields"] and isinstance(reply, dict) and command != "get-secret-value":
                    reply = {**reply, "new_in_later_versions": {"deep": [1, None, {"er": True}]}, "null_of_later_versions": None}
            return as_json(200, reply)
        except Refused as refused:
            return as_json(refused.status, {"error": refused.text}, refused.headers)

    def access_id_of(self, body) -> str | None:
        """The access id of the request: that of the token's auth method, else the one named by a login request."""
        if not isinstance(body, dict):
            return None
        with self.account.lock:
            owner = self.account.owner_of(body.get("token")) or self.account.owner_of(body.get("uid-token"))
        return owner.access_id if owner else body.get("access-id")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    gateway: Gateway

    def setup(self):
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()

    def log_message(self, *_):
        pass

    def do_POST(self):
        self._serve()

    do_GET = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_POST

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _command(self) -> str | None:
        """The last element of a path below a version 2 prefix, "" below a version 1 prefix, else None."""
        prefix, _, command = self.path.split("?")[0].rpartition("/")
        if self.command == "POST" and prefix in self.gateway.account.settings["v1_prefixes"]:
            return ""
        known = self.command == "POST" and prefix in self.gateway.account.settings["prefixes"]
        return command if known and command in COMMANDS else None

    def _serve(self):
        gateway = self.gateway
        raw = self._read_body()
        command = self._command()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        access_id = gateway.access_id_of(body)
        entry = gateway.recording.add({
            "time": time.time(), "command": command, "path": self.path, "method": self.command, "access_id": access_id,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body if body is not None else raw.decode(errors="replace"),
            "connection": f"{self.client_address[0]}:{self.client_address[1]}", "status": None, "fault": None})
        fault = gateway.fault_for(command or "", access_id, body)
        if fault is not None:
            entry["fault"] = fault.kind
        try:
            answer = self._answer(command, access_id, body, fault)
            if answer is None:
                self._reset()
                return
            entry["status"] = answer.status
            self._send(answer, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, command: str | None, access_id: str | None, body, fault: Fault | None) -> Answer | None:
        """None if the connection must be reset."""
        if fault is not None:
            if fault.kind == "refuse":
                return None
            if fault.kind == "delay":
                time.sleep(fault.spec["seconds"])
            if fault.kind in ("status", "body"):
                content = fault.spec.get("body", {"error": "injected fault"})
                text = content if isinstance(content, str) else json.dumps(content)
                kind = "text/html" if text.lstrip().startswith("<") else "application/json"
                return Answer(fault.spec.get("status", 200), text.encode(), kind, fault.spec.get("headers"))
        if command == "":
            return as_json(200, {"status": "error", "response": "unknown command"})
        if command is None:
            if self.command == "GET" and self.path == "/health":
                return Answer(200, b"OK", "text/plain")
            if self.command == "GET" and self.path == "/status":
                return as_json(200, {"status": "running"})
            return Answer(404, NOT_FOUND_TEXT.encode(), "text/plain; charset=utf-8")
        answer = self.gateway.answer(command, access_id, body)
        if fault is not None and fault.kind == "reset":
            return None
        if fault is not None and fault.kind == "hang":
            # Until the client closes the connection.
            self.rfile.read(1)
            self.close_connection = True
            raise ConnectionResetError
        if fault is not None and fault.kind == "huge":
            answer.body = json.dumps({"padding": "x" * fault.spec["bytes"], **json.loads(answer.body)}).encode()
        return answer

    def _send(self, answer: Answer, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else None
        chunked = kind == "chunked" or kind == "cut" and fault.spec.get("chunked", False)
        head = [f"HTTP/1.1 {answer.status} {http.HTTPStatus(answer.status).phrase}"]
        head += [f"{name}: {value}" for name, value in answer.headers.items()]
        head.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(answer.body)}")
        start = ("\r\n".join(head) + "\r\n\r\n").encode()
        body = answer.body if self.command != "HEAD" else b""
        if chunked:
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece)
                            for piece in (body[i:i + 7] for i in range(0, len(body), 7))) + b"0\r\n\r\n"
        if kind == "cut":
            self.wfile.write(start + body[:int(len(body) * fault.spec.get("at", 0.5))])
            self.close_connection = True
        elif kind == "slow":
            self.wfile.write(start)
            step = max(1, len(body) // 20)
            for i in range(0, len(body), step):
                time.sleep(fault.spec["seconds"] / 20)
                self.wfile.write(body[i:i + step])
        else:
            self.wfile.write(start + body)

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple, handler: type, tls: ssl.SSLContext | None = None):
        self._tls = tls
        super().__init__(address, handler)

    def get_request(self):
        connection, address = super().get_request()
        if self._tls is not None:
            # The handler's thread does the handshake, so that a slow client does not delay others.
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request):
        # Before a reset only close the socket, without an orderly shutdown of TLS or TCP.
        try:
            linger = struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
            if linger != (1, 0):
                request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.close_request(request)

    def handle_error(self, request, client_address):
        import sys
        import traceback

        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()
