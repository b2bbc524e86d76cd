"""An HTTP server of the test's own that plays the metadata and token endpoints of the clouds."""

from bed.http_server import HttpServer, Request


class MetadataServer(HttpServer):
    """`answers[(method, path)]` is the body of the 200 answer, whatever the query; all else is 404. `seen` is what was asked."""

    def __init__(self):
        # Another loopback address than the other servers have, so that a proxy setting can tell them apart.
        super().__init__("127.0.0.2")
        self.answers: dict[tuple[str, str], str] = {}
        self.seen: list[Request] = []

    def answer(self, request: Request) -> tuple[int, str, dict]:
        self.seen.append(request)
        text = self.answers.get((request.method, request.target.partition("?")[0]))
        return (404, "", {}) if text is None else (200, text, {})
