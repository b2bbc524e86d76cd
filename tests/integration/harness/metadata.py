"""An HTTP server of the test's own that plays the metadata and token endpoints of the clouds."""

import dataclasses
import http.server
import threading


@dataclasses.dataclass(frozen=True)
class Seen:
    method: str
    target: str  # path and query
    headers: dict  # names in lower case
    body: str


class MetadataServer:
    """`answers[(method, path)]` is the body of the 200 answer, whatever the query; all else is 404. `seen` is what was asked."""

    def __init__(self):
        self.answers: dict[tuple[str, str], str] = {}
        self.seen: list[Seen] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append(Seen(self.command, self.path, headers, body))
                answer = outer.answers.get((self.command, self.path.partition("?")[0]))
                self.send_response(404 if answer is None else 200)
                content = (answer or "").encode()
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = _answer

            def log_message(self, *_):
                pass

        # Another loopback address than the other servers have, so that a proxy setting can tell them apart.
        self._server = http.server.ThreadingHTTPServer(("127.0.0.2", 0), Handler)
        self.address = f"127.0.0.2:{self._server.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "MetadataServer":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
