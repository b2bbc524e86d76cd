"""Templates rendered by the engine and by Go's text/template with sprig, in the same run."""

import base64
import json
import pathlib
import subprocess
import time

REPEAT = 2000
KEYS = 200  # of the large templateFrom

# What the templates of ExternalSecrets are made of.
USUAL = [
    "{{ .password }}",
    "postgres://{{ .user }}:{{ .password }}@{{ .host }}:{{ .port }}/app?sslmode=require",
    '{{ printf "%s:%s" .user .password | b64enc }}',
    '{"auths":{"{{ .host }}":{"username":"{{ .user }}","password":"{{ .password }}","auth":"{{ printf "%s:%s" .user .password | b64enc }}"}}}',
    "{{ (fromJson .json).db.password }}",
    "{{ range $k, $v := fromJson .json }}{{ $k }}={{ $v | toJson }}\n{{ end }}",
    '{{ index . "dash-key" | default "none" | quote }}',
    '{{ if eq .env "prod" }}{{ .password }}{{ else }}{{ .user | upper }}{{ end }}',
    '{{ .list | splitList "," | join "\n" | indent 2 }}',
    '{{ .encoded | b64dec | trim | replace "a" "b" }}',
]
DATA = {
    "user": "alice",
    "password": "correct horse battery staple",
    "host": "db.shop.svc",
    "port": "5432",
    "env": "prod",
    "dash-key": "value",
    "list": ",".join(f"broker-{i}:9092" for i in range(10)),
    "encoded": base64.b64encode(b"a banana\n").decode(),
    "json": json.dumps({"db": {"user": "alice", "password": "hunter2"}, "cache": {"url": "redis://cache:6379"}, "flags": [1, 2, 3]}),
}


class Answerer:
    """A program that answers questions, one line each."""

    def __init__(self, program: pathlib.Path):
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, template: str, data: dict, repeat: int) -> tuple[str, float]:
        """What was rendered, and the seconds for all renderings."""
        question = {"id": 1, "op": "template", "key": "t", "template": template, "data": data, "missingkey": "error", "repeat": repeat}
        begun = time.monotonic()
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        took = time.monotonic() - begun
        if not answer["ok"]:
            raise RuntimeError(f"{template}: {answer['error']}")
        out = answer["out64"]
        return out["t"] if isinstance(out, dict) else out, took


def _seconds(engine: Answerer, oracle: Answerer, template: str, data: dict, repeat: int) -> tuple[float, float]:
    """The better of three runs each, in turns, for parsing and rendering once."""
    ours, theirs = [], []
    for _ in range(3):
        mine, took = engine.ask(template, data, repeat)
        ours.append(took)
        other, took = oracle.ask(template, data, repeat)
        theirs.append(took)
        if mine != other:
            raise RuntimeError(f"different results for {template}")
    return min(ours) / repeat, min(theirs) / repeat


def measure_templates(engine: pathlib.Path, oracle: pathlib.Path) -> list:
    large = "".join(f'key-{i}: {{{{ index . "key-{i}" | b64enc | quote }}}}\n' for i in range(KEYS))
    values = {f"key-{i}": f"value {i} " * 10 for i in range(KEYS)}
    with Answerer(engine) as ours, Answerer(oracle) as theirs:
        usual = [_seconds(ours, theirs, template, DATA, REPEAT) for template in USUAL]
        big = _seconds(ours, theirs, large, values, REPEAT // KEYS)
    slowest = max(usual, key=lambda pair: pair[0] / pair[1])
    mine, other = sum(pair[0] for pair in usual) / len(usual), sum(pair[1] for pair in usual) / len(usual)

    def row(name: str, pair: tuple[float, float]) -> tuple:
        return name, f"{pair[0] * 1e6:.1f} us", f"Go {pair[1] * 1e6:.1f} us", f"{pair[0] / pair[1]:.2f}x"

    return [
        row("(f) the ten most usual templates, parsed and rendered: mean", (mine, other)),
        row("(f) the same, the one with the worst ratio", slowest),
        row(f"(f) a templateFrom with {KEYS} keys", big),
    ]
