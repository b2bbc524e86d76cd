"""An HTTP server for one test that fakes the metadata and token endpoints of the clouds."""

from bed.http_server import HttpServer, Request


class MetadataServer(HttpServer):
    """`answers[(method, path)]` is the body of the 200 response for any query; all else is 404. `seen`: the received requests."""

    def __init__(self):
        # A loopback address that no other server uses.
        super().__init__("127.0.0.2")
        self.answers: dict[tuple[str, str], str] = {}
        self.seen: list[Request] = []

    def answer(self, request: Request) -> tuple[int, str, dict]:
        self.seen.append(request)
        text = self.answers.get((request.method, request.target.partition("?")[0]))
        return (404, "", {}) if text is None else (200, text, {})
