"""Programs that answer questions, one JSON object per line: engine-batch and the oracles of tests/tools."""

import json
import subprocess


def answers(program, questions: list[dict]) -> list[dict]:
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    said = subprocess.run([program], input=lines, check=True, capture_output=True, text=True, timeout=600)
    return [json.loads(line) for line in said.stdout.splitlines()]
