"""moto: a fake AWS that verifies signatures and policies after its set-up calls."""

import http.client
import pathlib
import re
import urllib.parse

from bed.process import BedError, Process, free_port, tool

_TRUST_ANYONE = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"}]}'


class Moto:
    """One server with the role `role_arn` and those of `add_role`. All its credentials may call GetCallerIdentity."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self.role_arn = ""
        self._process = Process("moto", [tool("cloud-sdks"), "-m", "moto.server", "-H", "127.0.0.1", "-p", self.port], directory,
                                env={"INITIAL_NO_AUTH_ACTION_COUNT": "1"})

    def __enter__(self) -> "Moto":
        try:
            self._process.start()
            self._process.wait_until(lambda: self._post("/moto-api/reset-auth", b"1", {})[0] == 200)
            self.role_arn = self.add_role("app")
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()

    def add_role(self, name: str) -> str:
        """Returns the ARN of a new role that any principal may assume."""
        self.allow_unsigned(1)
        status, reply = self.call("iam", {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": name,
                                          "AssumeRolePolicyDocument": _TRUST_ANYONE})
        if status != 200:
            raise BedError(f"moto: CreateRole {name}: {status} {reply}")
        return re.search("<Arn>(.*?)</Arn>", reply)[1]

    def allow_unsigned(self, count: int) -> None:
        """Disables verification of the next `count` calls. moto requires it for AssumeRoleWithWebIdentity, unsigned in AWS."""
        self._post("/moto-api/reset-auth", str(count).encode(), {})

    def call(self, service: str, form: dict) -> tuple[int, str]:
        """Makes an unsigned call; the header only selects moto's service."""
        scope = f"AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
        return self._post("/", urllib.parse.urlencode(form).encode(),
                          {"Authorization": scope, "Content-Type": "application/x-www-form-urlencoded"})

    def replay(self, url: str, body: str, headers: dict) -> tuple[int, str]:
        """Sends a request that was signed for `url` to moto. The Host header is that of `url`, as it was signed."""
        return self._post("/", body.encode(), {**headers, "Host": urllib.parse.urlsplit(url).netloc})

    def _post(self, path: str, body: bytes, headers: dict) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, body=body, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode(errors="replace")
        finally:
            connection.close()
