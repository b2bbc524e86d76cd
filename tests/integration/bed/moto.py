"""moto: a model of AWS that checks signatures and policies for real once its set-up calls have been made."""

import http.client
import pathlib
import re
import urllib.parse

from bed.process import BedError, Process, free_port, tool

_TRUST_ANYONE = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:*"}]}'


class Moto:
    """One server with one role, `role_arn`, and those of `add_role`. Whoever has credentials of it may ask who they are."""

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
        """Its ARN. Anyone may assume it."""
        self.allow_unsigned(1)
        status, reply = self.call("iam", {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": name,
                                          "AssumeRolePolicyDocument": _TRUST_ANYONE})
        if status != 200:
            raise BedError(f"moto: CreateRole {name}: {status} {reply}")
        return re.search("<Arn>(.*?)</Arn>", reply)[1]

    def allow_unsigned(self, count: int) -> None:
        """The next `count` calls are not checked. AssumeRoleWithWebIdentity, which AWS takes unsigned, needs it here."""
        self._post("/moto-api/reset-auth", str(count).encode(), {})

    def call(self, service: str, form: dict) -> tuple[int, str]:
        """A call that is signed by nobody; the header only tells moto which service is meant."""
        scope = f"AWS4-HMAC-SHA256 Credential=nobody/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
        return self._post("/", urllib.parse.urlencode(form).encode(),
                          {"Authorization": scope, "Content-Type": "application/x-www-form-urlencoded"})

    def replay(self, url: str, body: str, headers: dict) -> tuple[int, str]:
        """Sends a request that somebody signed for `url`, as it was signed: the host is that of `url`, only the connection is ours."""
        return self._post("/", body.encode(), {**headers, "Host": urllib.parse.urlsplit(url).netloc})

    def _post(self, path: str, body: bytes, headers: dict) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", path, body=body, headers=headers)
            reply = connection.getresponse()
            return reply.status, reply.read().decode(errors="replace")
        finally:
            connection.close()
