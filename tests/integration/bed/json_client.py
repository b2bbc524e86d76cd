"""A small HTTP client: JSON bodies, optional TLS with a client certificate."""

import dataclasses
import http.client
import json
import ssl
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Reply:
    status: int
    headers: dict
    text: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self):
        return json.loads(self.text) if self.text else None


class JsonClient:
    """Requests to one base URL. Each uses a new connection, so that the server may be restarted in between."""

    def __init__(self, url: str, *, ca_file=None, certificate=None, timeout: float = 30.0):
        self.url = url
        self._parts = urllib.parse.urlsplit(url)
        self._timeout = timeout
        self._tls = None
        if self._parts.scheme == "https":
            self._tls = ssl.create_default_context(cafile=str(ca_file))
            if certificate is not None:
                self._tls.load_cert_chain(str(certificate.cert), str(certificate.key))

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> Reply:
        host, port = self._parts.hostname, self._parts.port
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        try:
            content = None if body is None else json.dumps(body).encode()
            sent = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body=content, headers=sent)
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()},
                         answer.read().decode(errors="replace"))
        except http.client.HTTPException as error:
            raise OSError(f"{method} {self.url}{path}: {type(error).__name__} {error}") from error
        finally:
            connection.close()
