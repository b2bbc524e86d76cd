"""Fault injection.

A fault has a kind and selects requests by: command (a pattern such as "get-*"), access_id, item (an item's name in the request),
toxicity (the fraction of the requests), after (number of matching requests that pass first), times (number of requests that then
fail, default all).

kind      further members and effect
status    status, body (a string is sent unchanged, other values as JSON), headers: replaces the response
body      body: replaces the response by status 200 with this text
delay     seconds: wait before the request is processed
slow      seconds: sends the response in pieces over that time
chunked   sends the response in chunks of 7 bytes
cut       at (fraction of the body, default 0.5): closes the connection there, before Content-Length is reached; chunked: true for chunks
reset     processes the request, then ends the connection with a TCP reset
refuse    the same, without processing the request
hang      processes the request and never responds
huge      bytes: adds a member of that size to the response
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

    def matches(self, command: str, access_id: str | None, names: list) -> bool:
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
