"""A TCP proxy that injects connection faults."""

import pathlib

from bed.json_client import JsonClient
from bed.process import BedError, Process, free_port, tool


class Proxy:
    """One listening port in front of one server. Toxics affect bytes that the server sends unless `upstream` is true."""

    def __init__(self, server: "Toxiproxy", name: str, listen: str, upstream: str):
        self._server = server
        self.name = name
        self.address = listen
        self.upstream = upstream

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    def _toxic(self, kind: str, attributes: dict, upstream: bool, toxicity: float) -> None:
        self._server.must("POST", f"/proxies/{self.name}/toxics", {
            "type": kind, "stream": "upstream" if upstream else "downstream", "toxicity": toxicity, "attributes": attributes})

    def hang(self, milliseconds: int = 0, *, upstream: bool = False, toxicity: float = 1.0) -> None:
        """Drops all data; closes the connection after `milliseconds`, 0 = never."""
        self._toxic("timeout", {"timeout": milliseconds}, upstream, toxicity)

    def delay(self, milliseconds: int, jitter: int = 0, *, upstream: bool = False, toxicity: float = 1.0) -> None:
        self._toxic("latency", {"latency": milliseconds, "jitter": jitter}, upstream, toxicity)

    def cut_after(self, byte_count: int, *, upstream: bool = False, toxicity: float = 1.0) -> None:
        """Closes each connection after that many bytes."""
        self._toxic("limit_data", {"bytes": byte_count}, upstream, toxicity)

    def reset(self, milliseconds: int = 0, *, upstream: bool = False, toxicity: float = 1.0) -> None:
        """Ends each connection with a TCP reset after `milliseconds`."""
        self._toxic("reset_peer", {"timeout": milliseconds}, upstream, toxicity)

    def throttle(self, kilobytes_per_second: int, *, upstream: bool = False, toxicity: float = 1.0) -> None:
        self._toxic("bandwidth", {"rate": kilobytes_per_second}, upstream, toxicity)

    def down(self) -> None:
        """Closes the port and all connections; new connections are refused."""
        self._server.must("POST", f"/proxies/{self.name}", {"enabled": False})

    def up(self) -> None:
        self._server.must("POST", f"/proxies/{self.name}", {"enabled": True})

    def heal(self) -> None:
        """Removes all faults."""
        for toxic in self._server.must("GET", f"/proxies/{self.name}/toxics"):
            self._server.must("DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}")
        self.up()

    def remove(self) -> None:
        self._server.must("DELETE", f"/proxies/{self.name}")


class Toxiproxy:
    def __init__(self, directory: pathlib.Path):
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self._client = JsonClient(f"http://127.0.0.1:{port}")
        self._process = Process("toxiproxy", [tool("toxiproxy"), "-host", "127.0.0.1", "-port", port], directory)
        self._made = 0

    def __enter__(self) -> "Toxiproxy":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        self._process.start()
        self._process.wait_until(lambda: self._client.request("GET", "/version").ok)

    def stop(self) -> None:
        self._process.kill()

    def must(self, method: str, path: str, body=None):
        reply = self._client.request(method, path, body)
        if not reply.ok:
            raise BedError(f"toxiproxy: {method} {path}: {reply.status} {reply.text}")
        return reply.json

    def add(self, upstream: str) -> Proxy:
        """Adds a proxy in front of `upstream` ("127.0.0.1:8200"), on a free port."""
        self._made += 1
        name = f"proxy-{self._made}"
        made = self.must("POST", "/proxies", {
            "name": name, "listen": f"127.0.0.1:{free_port()}", "upstream": upstream, "enabled": True})
        return Proxy(self, name, made["listen"], upstream)
