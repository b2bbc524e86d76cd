"""Hostile input: each case fails with an error that names it, and the next mount succeeds."""

import json
import subprocess

import grpc
import pytest

from harness.driver import MountFailed, attributes
from harness.tenant import objects

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8))


@pytest.fixture
def good(tenant, openbao, unique):
    """A mount that must work before and after."""
    openbao.put_secret(f"{unique}/good", {"k": "good-value"})
    return tenant.spc(("good", f"secret/data/{unique}/good", "k")), tenant.pod()


def still_serves(driver, good) -> None:
    spc, pod = good
    assert driver.mount(spc, pod).text("good") == "good-value"


def with_parameter(good, name: str, value: str) -> dict:
    return {**good[0], name: value}


@pytest.mark.parametrize("name, parameters, says", [
    ("a YAML bomb", {"objects": BOMB}, "expands to more than"),
    ("a hundred thousand brackets", {"objects": "[" * 100_000}, "line 1"),
    ("a NUL byte in a name", {"objects": '- objectName: "a\\0b"\n  secretPath: secret/data/x\n'}, "invalid"),
    ("a path out of the volume", {"objects": objects(("../../etc/passwd", "secret/data/x", "k"))}, "../../etc/passwd"),
    ("an absolute path", {"objects": objects(("/etc/passwd", "secret/data/x", "k"))}, "/etc/passwd"),
    ("a control character in a path", {"objects": '- objectName: a\n  secretPath: "secret/\\x01"\n'}, ""),
    ("a role of a megabyte", {"roleName": "r" * 1_000_000}, "parameter roleName has 1000000 bytes"),
    ("a misspelt reserved parameter", {"nodekeep/refreshafter": "1s"}, "nodekeep/refreshAfter"),
    ("an invalid duration", {"nodekeep/refreshAfter": "soon"}, "nodekeep/refreshAfter"),
    ("an unknown object made optional", {"nodekeep/optional": "nobody"}, "nobody"),
], ids=lambda value: value if isinstance(value, str) and " " in value and len(value) < 60 else "")
def test_a_hostile_class_is_answered(agent, driver, good, name, parameters, says):
    still_serves(driver, good)
    with pytest.raises(MountFailed) as failed:
        driver.mount({**good[0], **parameters}, good[1], timeout=30)
    assert failed.value.code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), failed.value
    assert says in failed.value.message, f"{name}: {failed.value.message[:500]}"
    assert agent.running
    still_serves(driver, good)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a":1}', '{"a":"' + "x" * 100, "\x00", '{"a":"\\ud800"}', "{" * 100_000],
                         ids=["empty", "cut", "a list", "a number", "a number as value", "cut in a text", "a NUL byte",
                              "half a surrogate pair", "a hundred thousand braces"])
def test_a_request_that_is_no_json_is_answered(agent, driver, good, text):
    with pytest.raises(MountFailed) as failed:
        driver.mount(*good, attribute_text=text)
    assert failed.value.code == grpc.StatusCode.INVALID_ARGUMENT
    still_serves(driver, good)


def test_a_request_of_bytes_that_are_no_utf8_is_refused_and_the_log_stays_json(agent, driver, good):
    with grpc.insecure_channel(f"unix:{driver.socket}", options=[("grpc.default_authority", "localhost")]) as channel:
        mount = channel.unary_unary("/v1alpha1.CSIDriverProvider/Mount")
        with pytest.raises(grpc.RpcError):
            mount(b"\x0a\x03{\xff}", timeout=10)  # field 1, three bytes
    still_serves(driver, good)
    assert agent.logs()


def test_bytes_that_are_no_utf8_in_a_value_arrive_as_go_would_write_them(driver, tenant, openbao, unique):
    openbao.must("POST", f"secret/data/{unique}/binary", {"data": {"k": "gIGC/w=="}})  # base64 of invalid UTF-8
    spc = tenant.spc({"objectName": "raw", "secretPath": f"secret/data/{unique}/binary", "secretKey": "k", "encoding": "base64"})
    assert driver.mount(spc, tenant.pod()).files["raw"] == b"\x80\x81\x82\xff"


def test_a_value_of_5_mib_is_refused_by_name(agent, driver, good, tenant, openbao, unique):
    openbao.put_secret(f"{unique}/huge", {"k": "x" * (5 << 20)})
    spc = tenant.spc(("small", f"secret/data/{unique}/good", "k"), ("the-huge-one", f"secret/data/{unique}/huge", "k"))
    with pytest.raises(MountFailed) as failed:
        driver.mount(spc, tenant.pod(), timeout=60)
    assert "the-huge-one" in failed.value.message
    assert failed.value.code == grpc.StatusCode.INVALID_ARGUMENT
    still_serves(driver, good)


def test_two_thousand_objects_of_one_secret_cost_one_read(agent, driver, good, tenant, openbao, unique):
    openbao.put_secret(f"{unique}/one", {"k": "v"})
    spc = tenant.spc(*[(f"f{i}", f"secret/data/{unique}/one", "k") for i in range(2_000)])
    mark = openbao.audit.mark()
    mounted = driver.mount(spc, tenant.pod(), timeout=100)
    assert len(mounted.files) == 2_000 and set(mounted.files.values()) == {b"v"}
    assert openbao.audit.count(mark, f"secret/data/{unique}/one", "read") == 1
    still_serves(driver, good)


def test_two_thousand_objects_with_a_fault_in_the_last_name_it(agent, driver, good, tenant):
    entries = [(f"f{i}", "secret/data/x", "k") for i in range(1_999)] + [("f0", "secret/data/x", "k")]
    with pytest.raises(MountFailed, match="each `objectName` within a SecretProviderClass must be unique"):
        driver.mount(tenant.spc(*entries), tenant.pod(), timeout=100)
    still_serves(driver, good)


def test_tokens_that_cannot_be_read_are_refused_without_being_quoted(agent, driver, good):
    spc, pod = good
    merged = json.loads(attributes(spc, pod))
    merged["csi.storage.k8s.io/serviceAccount.tokens"] = '{"vault": {"token": "canary-of-a-token"'
    with pytest.raises(MountFailed, match="failed to unmarshal service account tokens") as failed:
        driver.mount(spc, pod, attribute_text=json.dumps(merged))
    assert "canary" not in failed.value.message
    still_serves(driver, good)


def test_output_that_cannot_be_written_is_a_failure(nodekeep_binary):
    with open("/dev/full", "w") as full:
        done = subprocess.run([nodekeep_binary, "template", "--functions"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "write to standard output" in done.stderr
