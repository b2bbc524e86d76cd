"""The template engine compared with Go's text/template, sprig and the libraries of External Secrets: the same bytes, the same refusals."""

import base64

import pytest

from bed.process import tool
from harness import template_crypto_questions, template_function_questions, template_questions
from harness.engine import answers


def questions_of(cases) -> list[dict]:
    return [
        {"id": number, "op": "template", "key": "t", "scope": "Values", "missingkey": "error", **case} for number, case in enumerate(cases)
    ]


def text_of(said: dict) -> str:
    if not said["ok"]:
        return "error: " + said["error"]
    out = said.get("out64") or ""
    return base64.b64decode(out["t"] if isinstance(out, dict) else out).decode(errors="backslashreplace")


def agree(question: dict, mine: dict, other: dict) -> bool:
    if mine["ok"] and other["ok"]:
        return text_of(mine) == text_of(other)
    if mine["ok"] != other["ok"]:
        return False
    # The engine says in which key of the Secret the template stands, then what Go says.
    return question.get("texts_differ", False) or mine["error"].endswith(other["error"])


@pytest.mark.parametrize(
    ("cases", "on_purpose", "at_least"),
    [
        (template_questions.language_questions, template_questions.ON_PURPOSE, 700),
        (template_function_questions.pure_questions, template_function_questions.ON_PURPOSE, 700),
        (template_crypto_questions.rich_questions, template_crypto_questions.ON_PURPOSE, 3000),
    ],
    ids=["language", "functions", "dates-yaml-crypto"],
)
def test_templates_give_what_go_gives(engine, cases, on_purpose, at_least):
    asked = questions_of(cases())
    assert len(asked) >= at_least
    ours, theirs = answers(engine, asked), answers(tool("template-oracle"), asked)
    assert len(ours) == len(theirs) == len(asked)
    different = [
        (question["template"], question.get("data"), text_of(mine), text_of(other))
        for question, mine, other in zip(asked, ours, theirs, strict=True)
        if not agree(question, mine, other)
    ]
    unexpected = [case for case in different if case[0] not in on_purpose]
    assert unexpected == [], f"{len(unexpected)} of {len(asked)}"
    assert {case[0] for case in different} == set(on_purpose), "what differs on purpose differs"
    assert sum(said["ok"] for said in theirs) > len(asked) / 2
