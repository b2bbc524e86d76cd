"""An HTTP server for one test, on a loopback address."""

import dataclasses
import http.server
import threading


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    target: str  # path and query
    headers: dict  # names in lower case
    body: str


class HttpServer:
    """Responds to each request with the result of `answer`, which is called on several threads at once. A context manager."""

    def __init__(self, host: str = "127.0.0.1"):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, text, more = outer.answer(Request(self.command, self.path, headers, body))
                content = text.encode()
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = _answer

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def answer(self, request: Request) -> tuple[int, str, dict]:
        """Returns status, body and headers."""
        raise NotImplementedError

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
