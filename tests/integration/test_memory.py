"""No secret stays in the agent's memory: mounts canary values with canary credentials, then searches the whole process for them.

Not covered, because the agent needs them while it runs: its login token of OpenBao, and the key that encrypts the cache. Kernel
buffers are not part of the process's memory. See SECURITY.md.
"""

import base64
import json
import os
import pathlib
import secrets as randomness
import urllib.parse

import pytest

from harness import memory
from harness.agent import NODE_NAME
from harness.akeyless import akeyless_class
from harness.driver import attributes, go_json
from harness.tenant import Tenant, vault_class

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading another process's memory needs root")

AT_REST = 60.0


def canary(name: str) -> str:
    """A unique text with characters that JSON and URLs escape."""
    return f"{name}-{randomness.token_hex(12)}<&>\"/+{randomness.token_hex(12)}"


def needles_of(canaries: dict) -> dict[str, bytes]:
    return {f"{name}, {form}": needle for name, secret in canaries.items() for form, needle in memory.forms(secret.encode()).items()}


def signature(token: str) -> bytes:
    return token.rsplit(".", 1)[1].encode()


def found_at_rest(agent, needles: dict) -> list:
    """Searches until nothing is found or AT_REST has passed; returns the last findings."""
    last = []

    def clean():
        last[:] = memory.scan(agent.pid, needles)
        return not last

    try:
        agent.wait_for(clean, "a clean memory", timeout=AT_REST, every=2.0)
    except AssertionError:
        pass
    return last


def summary(found: list) -> dict[str, list[str]]:
    """By needle: the locations and the bytes around them."""
    places: dict[str, list[str]] = {}
    for hit in found:
        places.setdefault(hit.form, []).append(f"{hit.address:#x} in {hit.region.split()[-1]}: {hit.around!r}")
    return places


def test_the_search_finds_what_is_there(agent):
    """The control: a text that the agent must have is found, and a secret is recognised in every encoding."""
    assert memory.scan(agent.pid, {"node": NODE_NAME.encode()})
    secret = canary("control")
    whole = {"k": secret, "other": 1}
    forms = memory.forms(secret.encode())
    become = [secret.encode(), json.dumps(whole).encode(), go_json(whole).encode(), urllib.parse.quote_plus(secret).encode(),
              secret.encode().hex().encode(), f"a{secret}".encode("utf-16-le")]
    become += [base64.b64encode(b"x" * before + secret.encode() + b"y") for before in range(6)]
    become += [base64.urlsafe_b64encode(b"x" * before + secret.encode() + b"y") for before in range(6)]
    for text in become:
        assert any(form in text for form in forms.values()), text


def test_no_symbol_is_bound_later(agent):
    """Binding one saves the vector registers, with what memcpy last moved, on the stack of whichever thread comes first."""
    assert b"LD_BIND_NOW=1" in pathlib.Path(f"/proc/{agent.pid}/environ").read_bytes().split(b"\0")


def test_values_and_credentials_are_gone_once_the_agent_is_at_rest(agent, driver, tenant, openbao, unique):
    assert memory.scan(agent.pid, {"node": NODE_NAME.encode()})
    values = {"value": canary("plain"), "value in a whole response": canary("whole"), "value that is stored encoded": canary("coded"),
              "value on kv version 1": canary("v1"), "value beside it": canary("beside")}
    openbao.put_secret(f"{unique}/plain", {"k": values["value"], "unused": values["value beside it"]})
    openbao.put_secret(f"{unique}/whole", {"k": values["value in a whole response"]})
    openbao.put_secret(f"{unique}/coded", {"k": base64.b64encode(values["value that is stored encoded"].encode()).decode()})
    openbao.put_secret_v1(unique, {"k": values["value on kv version 1"]})
    spc = tenant.spc(
        ("plain", f"secret/data/{unique}/plain", "k"), ("whole", f"secret/data/{unique}/whole"), ("v1", f"kv1/{unique}", "k"),
        {"objectName": "coded", "secretPath": f"secret/data/{unique}/coded", "secretKey": "k", "encoding": "base64"},
        **{"nodekeep/refreshAfter": "0s"})
    pods = [tenant.pod() for _ in range(8)]
    role_id, secret_id = openbao.approle(unique)
    by_role = vault_class(openbao.url, None, ("plain", f"secret/data/{unique}/plain", "k"), **{"nodekeep/auth": "approle"})
    for _ in range(10):
        outcomes = driver.mount_all([(spc, pod) for pod in pods])
        assert [outcome.text("plain") for outcome in outcomes] == [values["value"]] * len(pods)
        assert driver.mount(by_role, pods[0], secrets={"role_id": role_id, "secret_id": secret_id}).files
    agent.cli("status")
    agent.cli("refresh", "--all")

    needles = needles_of({**values, "secret id": secret_id})
    needles |= {f"token of {pod.name}": signature(pod.tokens["vault"]) for pod in pods}
    assert summary(found_at_rest(agent, needles)) == {}
    # The values were not just discarded: the next mount is served from the encrypted cache.
    cached = {**spc, "nodekeep/refreshAfter": "1h"}
    mark = openbao.audit.mark()
    assert driver.mount(cached, pods[0]).text("plain") == values["value"]
    assert openbao.audit.count(mark) == 0


def test_a_mount_that_fails_leaves_nothing_behind_either(agent, driver, tenant, cluster, openbao, unique):
    # Uses a separate account, because the refused pods must not be served this account's values.
    good = Tenant(cluster, openbao, tenant.namespace, "good", f"{unique}-good")
    value, secret_id = canary("undecodable"), canary("secret-id")
    openbao.put_secret(unique, {"k": value})
    forged = tenant.pod().tokens["vault"].rsplit(".", 1)[0] + "." + randomness.token_urlsafe(64)
    pod = tenant.pod().with_(tokens={"vault": forged})
    refused = tenant.spc(("f", f"secret/data/{unique}", "k"))
    undecodable = good.spc({"objectName": "f", "secretPath": f"secret/data/{unique}", "secretKey": "k", "encoding": "hex"})
    unreachable = tenant.spc(("f", f"secret/data/{unique}", "k"), address="http://127.0.0.1:1")
    unreadable = attributes(refused, pod)[:-1]  # no closing brace
    by_role = vault_class(openbao.url, None, ("f", f"secret/data/{unique}", "k"), **{"nodekeep/auth": "approle"})
    for _ in range(5):
        driver.failure(refused, pod)
        driver.failure({**refused, "nodekeep/unknown": "x"}, pod)
        driver.failure(refused, pod, attribute_text=unreadable)
        driver.failure(by_role, pod, secrets={"role_id": "no-such-role", "secret_id": secret_id})
        assert value not in driver.failure(undecodable, good.first_pod).message
    driver.failure(unreachable, pod, timeout=3)

    needles = needles_of({"value": value, "secret id": secret_id})
    needles["forged token"] = signature(forged)
    needles["pod's token"] = signature(good.first_pod.tokens["vault"])
    assert summary(found_at_rest(agent, needles)) == {}
    log = agent.log_path.read_text()
    for secret in (value, secret_id, forged):
        assert secret not in log


def test_a_credential_in_clear_text_in_a_class_is_not_kept_with_the_class(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant):
    value = canary("value")
    akeyless.add_item("/a", value)
    spc = akeyless_tenant.spc(("f", "/a"), access_type="access_key", **{"nodekeep/refreshAfter": "0s"})
    wrong = {**spc, "akeylessAccessKey": canary("wrong")}
    uid = akeyless.add_method("universal_identity")
    first = akeyless.add_uid_token(uid)
    by_uid = akeyless_class(akeyless.url, uid, ("f", "/a"), access_type="universal_identity", akeylessUIDInitToken=first)
    pods = [akeyless_tenant.pod() for _ in range(4)]
    for _ in range(10):
        assert [akeyless_driver.mount(spc, pod).text("f") for pod in pods] == [value] * len(pods)
    assert akeyless_driver.mount(by_uid, pods[0]).text("f") == value
    akeyless_driver.failure(wrong, pods[0])
    assert akeyless.logins() - akeyless.counts()["uid-rotate-token"] == 2

    needles = needles_of({"value": value, "access key": akeyless_tenant.access_key, "wrong access key": wrong["akeylessAccessKey"],
                          "first token": first})
    assert summary(found_at_rest(akeyless_agent, needles)) == {}
    # The class and the login were cached nevertheless.
    mark = akeyless.mark()
    assert akeyless_driver.mount({**spc, "nodekeep/refreshAfter": "1h"}, pods[0]).text("f") == value
    assert akeyless.requests(mark) == []


def test_of_akeyless_nothing_is_left_either(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant, cluster, web):
    values = {"static": canary("static"), "rotated": canary("rotated"), "certificate's key": canary("key"), "in a folder": canary("folder")}
    akeyless.add_item("/own/static", values["static"])
    akeyless.add_item("/own/rotated", {"password": values["rotated"]}, type="ROTATED_SECRET")
    akeyless.add_item("/own/certificate", {"certificate_pem": "C", "private_key_pem": values["certificate's key"]}, type="CERTIFICATE")
    akeyless.add_item("/folder/item", values["in a folder"])
    akeyless.add_item("/dynamic", type="DYNAMIC_SECRET", shape={"id": "{n}", "password": "minted-{random}", "ttl_in_minutes": "60"})
    akeyless.add_item("/pki", type="PKI_CERT_ISSUER")
    own = {"nodekeep/type": "pki", "nodekeep/arguments": {"commonName": "web"}, "nodekeep/property": "private_key_pem"}
    spc = akeyless_tenant.spc(
        ("static", "/own/static"), ("rotated", "/own/rotated"), ("certificate", "/own/certificate"),
        {"fileName": "folder", "secretPath": "/folder", "nodekeep/type": "folder"},
        {"fileName": "dynamic", "secretPath": "/dynamic", "nodekeep/type": "dynamic", "nodekeep/property": "password"},
        {"fileName": "key", "secretPath": "/pki", **own}, **{"nodekeep/refreshAfter": "0s"})
    del spc["akeylessAccessKey"]
    access_id = akeyless.add_method("k8s", config_name="the-cluster", public_keys=[cluster.signing_key.public.read_text()])
    as_pod = akeyless_class(akeyless.url, access_id, ("static", "/own/static"), access_type="k8s", akeylessAuthAs="pod",
                            akeylessK8sAuthConfigName="the-cluster", **{"nodekeep/audience": "akeyless"})
    pods = [web(f"web-{i}") for i in range(4)]
    for _ in range(10):
        for pod in pods:
            mounted = akeyless_driver.mount(spc, pod, secrets={"akeylessAccessKey": akeyless_tenant.access_key})
            assert mounted.text("static") == akeyless_driver.mount(as_pod, pod).text("static") == values["static"]
    akeyless_driver.failure({**spc, "akeylessAccessType": "access_key"}, pods[0], secrets={"akeylessAccessKey": (wrong := canary("wrong"))})
    akeyless_agent.cli("status")
    akeyless_agent.cli("refresh", "--all")

    needles = needles_of({**values, "access key": akeyless_tenant.access_key, "wrong access key": wrong,
                          "minted": mounted.text("dynamic")})
    needles |= {f"token of {pod.name}": signature(pod.tokens["akeyless"]) for pod in pods}
    needles["key made on the node"] = mounted.files["key"].splitlines()[5]
    assert summary(found_at_rest(akeyless_agent, needles)) == {}
    mark = akeyless.mark()
    assert akeyless_driver.mount({**as_pod, "nodekeep/refreshAfter": "1h"}, pods[0]).text("static") == values["static"]
    assert akeyless.requests(mark) == []
