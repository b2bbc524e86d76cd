"""The official Akeyless SDK in a process of its own, since it lives in the virtual environment of tests/tools/cloud-sdks."""

import json
import pathlib
import subprocess

from bed.process import tool

# One JSON object a line, answered by one.
_WORKER = r"""
import functools, json, sys
import akeyless

@functools.cache
def client(url, ca_file):
    configuration = akeyless.Configuration(host=url)
    configuration.ssl_ca_cert = ca_file
    return akeyless.V2Api(akeyless.ApiClient(configuration))

models = {name.lower(): getattr(akeyless, name) for name in dir(akeyless) if name[0].isupper()}

for line in sys.stdin:
    asked = json.loads(line)
    model = models[asked["call"].replace("_", "")]
    api = client(asked["url"], asked["ca_file"])
    try:
        reply = getattr(api, asked["call"])(model(**asked["fields"]))
        answer = {"reply": api.api_client.sanitize_for_serialization(reply)}
    except akeyless.ApiException as error:
        answer = {"status": error.status, "body": error.body if isinstance(error.body, str) else repr(error.body)}
    print(json.dumps(answer), flush=True)
"""


class SdkError(Exception):
    """The SDK was refused: the HTTP status and the body."""

    def __init__(self, status: int, body: str):
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class SdkProcess:
    """The interpreter that has the SDK; it takes a second to start, so many clients share one."""

    def __init__(self):
        self._process = subprocess.Popen([tool("cloud-sdks"), "-c", _WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         text=True)

    def __enter__(self) -> "SdkProcess":
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def ask(self, **question):
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "reply" not in answer:
            raise SdkError(answer["status"], answer["body"])
        return answer["reply"]


class AkeylessSdk:
    """A client of one gateway: `call("get_secret_value", names=["/a"], token=t)`. Replies as the SDK's models write themselves."""

    def __init__(self, process: SdkProcess, url: str, ca_file: pathlib.Path | None = None):
        self._process = process
        self._url = url
        self._ca_file = str(ca_file) if ca_file else None

    def call(self, operation: str, **fields):
        return self._process.ask(url=self._url, ca_file=self._ca_file, call=operation, fields=fields)

    def log_in(self, **fields) -> str:
        return self.call("auth", **fields)["token"]


def aws_cloud_id(access_key_id: str, secret: str, session_token: str) -> str:
    """As the vendor's own library makes it."""
    return subprocess.run(
        [tool("cloud-sdks"), "-c", "import sys; from akeyless_cloud_id import CloudId; print(CloudId().generate(*sys.argv[1:]))",
         access_key_id, secret, session_token], check=True, capture_output=True, text=True, timeout=60).stdout.strip()
