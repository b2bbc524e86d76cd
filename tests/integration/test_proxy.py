"""The choice of a proxy compared with Go's: the same for each environment and URL, and a reason for each difference."""

import itertools
import json
import os
import subprocess

import pytest

from bed.process import tool

PROXY = "http://proxy.test:3128"
LISTS = [
    "", "*", ",", "a.test,*", "vault.test", "VAULT.Test", ".vault.test", "*.vault.test", "test", ".test", "*.test", "ault.test",
    "vault.test:8200", "vault.test:443", "vault.test:", ":8200", "*.test:8200", ".test:443", "vault.*", "v*.test", "*vault.test", "**",
    "vault.test.", ".", "..", "*.", "https://vault.test", "vault.test/x", "a.test , vault.test", "a.test,,vault.test", " vault.test ",
    "10.1.2.3", "10.1.2.3:8200", "10.1.2", "2.3", "010.1.2.3", "10.0.0.0/8", "10.1.2.0/23", "10.9.9.9/8", "0.0.0.0/0", "10.0.0.0/33",
    "10.0.0.0/08", "10.0.0.0/", "10.0.0.0/+8", "/8", "10.0.0.0/8:8200", "::ffff:10.1.2.3", "::ffff:10.0.0.0/104", "::ffff:0:0/90", "::/0",
    "fd00::1", "FD00::1", "[fd00::1]", "[fd00::1]:8200", "[fd00::1]:443", "[fd00::1", "fd00::1]:443", "fd00::/8", "fd00::/129", "fd00::1/128",
    "localhost", "127.0.0.1", "[vault.test]:8200", "vault.test:https", "-", "xn--bcher-kva.test",
]
HOSTS = [
    "vault.test", "Vault.TEST", "vault.test.", "a.vault.test", "a.b.vault.test", "myvault.test", "test", "vault.test.org", "other.example",
    "10.1.2.3", "10.1.3.4", "11.1.2.3", "192.0.2.1", "[fd00::1]", "[fd00:0:0::1]", "[fe80::1]", "[::ffff:10.1.2.3]", "localhost",
    "sub.localhost", "127.0.0.1", "127.8.8.8", "128.0.0.1", "[::1]", "[::2]", "[::ffff:127.0.0.1]", "xn--bcher-kva.test",
]
URLS = [f"{scheme}://{host}{port}/x" for scheme in ("https", "http") for host in HOSTS for port in ("", ":8200")]
VALUES = [
    PROXY, "http://proxy.test", "proxy.test:3128", "proxy.test", "10.0.0.1:3128", "[fd00::9]:3128", "https://proxy.test", "socks5://proxy.test",
    "HTTP://proxy.test", "http://user:pass@proxy.test:3128", "user:pass@proxy.test:3128", "http://us%40er:p%3Aw@proxy.test:1/path?x=y",
    "ftp://proxy.test", "http://", "http://proxy test", "http://proxy.test:port", "",
]
ENVIRONMENTS = [
    {}, {"HTTPS_PROXY": PROXY}, {"HTTP_PROXY": PROXY}, {"https_proxy": PROXY}, {"http_proxy": PROXY}, {"ALL_PROXY": PROXY},
    {"all_proxy": PROXY}, {"HTTPS_PROXY": PROXY, "https_proxy": "http://lower.test:1"}, {"HTTPS_PROXY": PROXY, "https_proxy": ""},
    {"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, {"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"},
    {"HTTPS_PROXY": PROXY, "no_proxy": "other.test", "NO_PROXY": "*"}, {"HTTPS_PROXY": PROXY, "no_proxy": "", "NO_PROXY": "*"},
]
QUESTIONS = [
    *(({"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": entries}, url) for entries, url in itertools.product(LISTS, URLS)),
    *(({"HTTPS_PROXY": value}, "https://vault.test") for value in VALUES),
    *((env, f"{scheme}://vault.test") for env, scheme in itertools.product(ENVIRONMENTS, ("https", "http"))),
]
# Answered in another way, and why.
DIFFERENCES = {
    # Separated by spaces; Go takes it for one name, which nothing matches.
    "spaces": ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a.test vault.test"}, "https://vault.test"),
    # No URL of a proxy; Go ignores the value.
    "not a URL": ({"HTTPS_PROXY": "http://proxy test"}, "https://vault.test"),
    "not a port": ({"HTTPS_PROXY": "http://proxy.test:port"}, "https://vault.test"),
    # No host; Go connects to the empty host.
    "no host": ({"HTTPS_PROXY": "http://"}, "https://vault.test"),
    # A scheme that neither supports; Go fails when it connects.
    "scheme": ({"HTTPS_PROXY": "ftp://proxy.test"}, "https://vault.test"),
    # Names have no case.
    "case": ({"HTTPS_PROXY": PROXY}, "https://LOCALHOST"),
}


def with_port(answer: str) -> str:
    """With the default port of the scheme, which Go adds when it connects; names are resolved by SOCKS proxies in both."""
    scheme, separator, host = answer.partition("://")
    if not separator or ":" in host.rpartition("]")[2]:
        return answer
    return f"{scheme}://{host}:" + {"http": "80", "https": "443", "socks5": "1080"}.get(scheme, "")


@pytest.fixture(scope="module")
def answers(nodekeep_binary):
    """For each question: what our program and what Go would use."""
    probe = nodekeep_binary.parent / "proxy-probe"
    if not os.access(probe, os.X_OK):
        pytest.fail(f"{probe} is not built: cmake --build {probe.parent} --target proxy-probe", pytrace=False)
    asked = [*QUESTIONS, *DIFFERENCES.values()]
    text = "".join(json.dumps({"env": env, "url": url}) + "\n" for env, url in asked)

    def lines(program) -> list[str]:
        said = subprocess.run([program], input=text, check=True, capture_output=True, text=True, timeout=120)
        return [with_port(line.replace("socks5h://", "socks5://")) for line in said.stdout.splitlines()]

    return list(zip(asked, lines(probe), lines(tool("proxy-oracle")), strict=True))


def test_the_proxy_is_the_one_that_go_uses(answers):
    different = [(question, ours, theirs) for question, ours, theirs in answers if ours != theirs]
    unexplained = [entry for entry in different if entry[0] not in DIFFERENCES.values()]
    assert unexplained == [], "chosen in another way without a reason"
    gone = [name for name, question in DIFFERENCES.items() if question not in [entry[0] for entry in different]]
    assert gone == [], "listed as different, but chosen alike"


def test_both_outcomes_are_covered(answers):
    direct = sum(ours == "direct" for _, ours, _ in answers)
    assert direct > 1000
    assert len(answers) - direct > 1000
