"""Servers that classes of a tenant may name: a Vault that hangs, throttles, or answers with what costs the agent most."""

import asyncio
import dataclasses
import json
import math
import threading

from bed.process import wait_for


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str  # with query
    headers: dict  # names in lower case
    body: bytes


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b"{}"
    headers: dict = dataclasses.field(default_factory=dict)
    after: float = 0.0  # seconds


HANG = Answer(after=math.inf)


def json_answer(value, status: int = 200, **options) -> Answer:
    return Answer(status, json.dumps(value).encode(), **options)


class HostileServer:
    """Serves plain HTTP on `addresses` loopback addresses, each a backend host of its own. A context manager.

    `answer` may be replaced at any time; it runs on the server's thread. Hundreds of requests that hang cost nothing.
    """

    def __init__(self, answer=lambda request: HANG, addresses: int = 1, first: int = 2):
        self.answer = answer
        self.requests: list[Request] = []
        # Requests without an answer yet, and those of them that have ended, by an answer or by the client.
        self.hanging = 0
        self.ended = 0
        self.urls: list[str] = []
        self._hosts = [f"127.0.0.{first + i}" for i in range(addresses)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = threading.Event()

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(10), "the hostile server did not start"
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return self.urls[0]

    def release(self) -> None:
        """Answers all hanging requests as `answer` says now."""
        self._loop.call_soon_threadsafe(self._release)

    def wait_hanging(self, count: int, timeout: float = 60.0) -> None:
        wait_for(lambda: self.hanging >= count, lambda: f"{count} hanging requests (of them hang: {self.hanging})", timeout, 0.02)

    def received(self) -> bytes:
        """Everything that clients have sent."""
        return b"\n".join(f"{each.method} {each.path} {each.headers}".encode() + each.body for each in list(self.requests))

    # -- on the server's thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        servers = [await asyncio.start_server(self._connected, host, 0, limit=16 << 20, backlog=1024) for host in self._hosts]
        for host, server in zip(self._hosts, servers):
            self.urls.append(f"http://{host}:{server.sockets[0].getsockname()[1]}")
        self._started.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    async def _connected(self, reader, writer) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while (request := await self._read(reader)) is not None:
                self.requests.append(request)
                answer = self.answer(request)
                if answer.after > 0 and (answer := await self._hang(request, answer, reader)) is None:
                    break
                head = {**answer.headers, "Content-Length": len(answer.body), "Content-Type": "application/json"}
                writer.write(f"HTTP/1.1 {answer.status} Because\r\n".encode() +
                             "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode() + b"\r\n")
                writer.write(answer.body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    @staticmethod
    async def _read(reader) -> Request | None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, await reader.readexactly(int(headers.get("content-length") or 0)))

    async def _hang(self, request: Request, answer: Answer, reader) -> Answer | None:
        """Returns the answer to send, or None once the client has left."""
        self.hanging += 1
        left = asyncio.ensure_future(reader.read(1))
        released = asyncio.ensure_future(self._released.wait())
        try:
            done, _ = await asyncio.wait({left, released}, timeout=None if answer.after == math.inf else answer.after,
                                         return_when=asyncio.FIRST_COMPLETED)
            if left in done:
                return None
            return self.answer(request) if released in done else answer
        finally:
            for future in (left, released):
                future.cancel()
            # Reading again would fail while the cancelled read still waits.
            await asyncio.gather(left, released, return_exceptions=True)
            self.hanging -= 1
            self.ended += 1


class FakeVault(HostileServer):
    """Lets everybody in, and serves `values` (by path, without /v1/) as secrets of KV version 1; `read` answers all other paths.

    Paths in `leased` (seconds by path) are dynamic credentials; `renewals` counts the renewals by lease id.
    """

    def __init__(self, read=lambda request: json_answer({"errors": []}, 404), *, token: str = "token-of-the-fake", **options):
        super().__init__(self._answer, **options)
        self.read = read
        self.renew = self._renewed
        self.token = token
        self.values: dict[str, str] = {}
        self.leased: dict[str, int] = {}
        self.renewals: dict[str, int] = {}

    def put(self, path: str, value: str) -> None:
        self.values[path] = value

    def reads(self, prefix: str = "") -> int:
        """Requests for paths with the prefix, without /v1/."""
        return sum(each.path.startswith(f"/v1/{prefix}") and not each.path.startswith(("/v1/auth/", "/v1/sys/"))
                   for each in list(self.requests))

    def _answer(self, request: Request) -> Answer:
        path = request.path.removeprefix("/v1/").partition("?")[0]
        if path.startswith("auth/") and path.endswith("/login"):
            return json_answer({"auth": {"client_token": self.token, "lease_duration": 36000, "renewable": False}})
        if path == "sys/leases/renew":
            return self.renew(request)
        if path.startswith(("auth/", "sys/")):
            return Answer()
        if path in self.leased:
            return lease(self.lease_id(path), self.leased[path])
        if path in self.values:
            return json_answer({"lease_duration": 0, "data": {"k": self.values[path]}})
        return self.read(request)

    @staticmethod
    def lease_id(path: str) -> str:
        return f"{path}/lease"

    def _renewed(self, request: Request) -> Answer:
        lease_id = json.loads(request.body)["lease_id"]
        self.renewals[lease_id] = self.renewals.get(lease_id, 0) + 1
        return lease(lease_id, self.leased.get(lease_id.removesuffix("/lease"), 60))


def lease(lease_id: str, seconds: int) -> Answer:
    return json_answer({"lease_id": lease_id, "lease_duration": seconds, "renewable": True, "data": {"k": "v"}})
