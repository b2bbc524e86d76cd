"""What goes wrong on demand.

A fault: kind, and which requests it meets: command (a pattern such as "get-*"), access_id, item (an item's name in the request),
toxicity (the share of the requests), after (the first so many pass), times (then it meets so many, default all).

kind      also reads
status    status, body (a text is sent as it is, else as JSON), headers: an answer instead of the real one
body      body: status 200 with this text instead of the real answer
delay     seconds: before the request is looked at
slow      seconds: the answer in pieces over that time
chunked   the answer in chunks of 7 bytes
cut       at (share of the body, default 0.5): connection closed there, though Content-Length said more; chunked: true for chunks
reset     the request is carried out, then the connection ends with a TCP reset
refuse    the same before it is carried out
hang      the request is carried out and never answered
huge      bytes: the answer with a member of that size more
"""

import fnmatch
import random

KINDS = ("status", "body", "delay", "slow", "chunked", "cut", "reset", "refuse", "hang", "huge")


class Fault:
    def __init__(self, number: int, spec: dict):
        if spec.get("kind") not in KINDS:
            raise ValueError(f"kind {spec.get('kind')}: one of {', '.join(KINDS)}")
        self.number = number
        self.kind = spec["kind"]
        self.spec = spec
        self.to_pass = spec.get("after", 0)
        self.left = spec.get("times")

    def meets(self, command: str, access_id: str | None, names: list) -> bool:
        spec = self.spec
        if not fnmatch.fnmatchcase(command, spec.get("command", "*")) or spec.get("access_id", access_id) != access_id:
            return False
        if "item" in spec and spec["item"] not in names or self.left == 0:
            return False
        if self.to_pass > 0:
            self.to_pass -= 1
            return False
        if random.random() >= spec.get("toxicity", 1.0):
            return False
        if self.left is not None:
            self.left -= 1
        return True
