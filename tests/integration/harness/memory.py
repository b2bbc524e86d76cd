"""Searches the whole memory of a process for secrets, as they would appear in a core dump or in reused pages."""

import base64
import dataclasses
import json
import urllib.parse

from harness.driver import go_json

_STEP = 8 << 20


@dataclasses.dataclass(frozen=True)
class Found:
    form: str     # "plain", "base64", ...
    address: int
    region: str   # as /proc/PID/maps has it
    around: bytes


def forms(secret: bytes) -> dict[str, bytes]:
    """Encodings in which a secret may be in memory. Each matches regardless of the bytes before and after it."""
    escaped = json.dumps(secret.decode(), ensure_ascii=False)[1:-1]
    found = {"plain": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode(),
             "json-escaped": escaped.encode(), "json-escaped by Go": go_json(secret.decode())[1:-1].encode(),
             "url-escaped": urllib.parse.quote_from_bytes(secret, safe="").encode(),
             "utf-16": secret.decode().encode("utf-16-le")}
    for shift in range(3):
        # Base64 of the secret as a part of a longer text: its first and last digits depend on the adjacent bytes.
        text = base64.b64encode(b"\0" * shift + secret).rstrip(b"=")
        middle = text[4 if shift else 0:-2]
        found[f"base64 at {shift}"] = middle
        found[f"base64url at {shift}"] = middle.replace(b"+", b"-").replace(b"/", b"_")
    return found


def scan(pid: int, needles: dict[str, bytes]) -> list[Found]:
    """All occurrences of the needles in the readable regions of the process. Needs root."""
    found = []
    overlap = max(len(needle) for needle in needles.values())
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps.read().splitlines():
            bounds, permissions = line.split()[:2]
            if "r" not in permissions or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(part, 16) for part in bounds.split("-"))
            for start in range(begin, end, _STEP):
                try:
                    memory.seek(start)
                    content = memory.read(min(end - start, _STEP + overlap))
                except (OSError, ValueError):
                    continue  # not readable even by root (memfd_secret), or unmapped meanwhile
                for form, needle in needles.items():
                    at = content.find(needle)
                    while at >= 0:
                        if at < _STEP:
                            found.append(Found(form, start + at, line, content[max(0, at - 48):at + 16]))
                        at = content.find(needle, at + 1)
    return found
