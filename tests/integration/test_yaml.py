"""The YAML reader compared with Go's yaml.v3: same trees, same positions, same refusals, and a reason for each difference."""

import base64
import json
import os
import subprocess

import pytest

from bed.process import REPOSITORY, tool
from harness.yaml_documents import DIFFERENCES, DOCUMENTS

# What else is read besides DOCUMENTS.
FILES = [*REPOSITORY.glob("tests/fuzz/corpus/yaml/*"), *REPOSITORY.glob("providers/*/sample*.yaml")]


def tree(node: dict | None):
    """What both programs tell of a node, as plain values that compare."""
    if node is None:
        return None
    told = {name: node.get(name) for name in ("kind", "line", "column", "int", "bool")}
    told["text"] = base64.b64decode(node.get("text", ""))
    told["quoted"] = node.get("quoted", False)
    told["items"] = [tree(item) for item in node.get("items", [])]
    told["entries"] = {base64.b64decode(entry["key"]): tree(entry["value"]) for entry in node.get("entries", [])}
    return told


def outcome(line: str):
    """The trees of all documents; None for a text that is refused."""
    said = json.loads(line)
    return None if "error" in said else [tree(document) for document in said["documents"]]


@pytest.fixture(scope="module")
def readings(nodekeep_binary, tmp_path_factory):
    """For each text: what our reader and what yaml.v3 made of it."""
    probe = nodekeep_binary.parent / "yaml-probe"
    if not os.access(probe, os.X_OK):
        pytest.fail(f"{probe} is not built: cmake --build {probe.parent} --target yaml-probe", pytrace=False)
    texts = {str(path.relative_to(REPOSITORY)): path for path in sorted(FILES)}
    folder = tmp_path_factory.mktemp("yaml")
    for number, (name, text) in enumerate(DOCUMENTS.items()):
        texts[name] = folder / str(number)
        texts[name].write_bytes(text if isinstance(text, bytes) else text.encode())

    def lines(program) -> list[str]:
        said = subprocess.run([program, *texts.values()], check=True, capture_output=True, text=True, timeout=120)
        return said.stdout.splitlines()

    return {
        name: (outcome(ours), outcome(theirs))
        for name, ours, theirs in zip(texts, lines(probe), lines(tool("yaml-oracle")), strict=True)
    }


def test_texts_are_read_as_yaml_v3_reads_them(readings):
    different = {name for name, (ours, theirs) in readings.items() if ours != theirs}
    assert sorted(different - DIFFERENCES.keys()) == [], "read in another way without a reason"
    assert sorted(DIFFERENCES.keys() - different) == [], "listed as different, but read alike"


def test_both_outcomes_are_covered(readings):
    refused = sum(ours is None for ours, _ in readings.values())
    assert refused > 100
    assert len(readings) - refused > 100
