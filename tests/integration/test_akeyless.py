"""The akeyless provider with the scriptable gateway: files, logins, numbers of requests.

test_akeyless_gateway.py verifies the gateway itself.
"""

import base64
import itertools
import json
import subprocess
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bed.certificates import CertificateAuthority
from bed.cloud_metadata import AZURE_ISSUER
from harness.akeyless import AkeylessTenant, akeyless_class
from harness.driver import Pod

AT_ONCE = {"nodekeep/refreshAfter": "0s"}  # every mount reads from the gateway


def entry(file: str, path: str, **extensions) -> dict:
    """An object with nodekeep's own keys: property="user" becomes nodekeep/property."""
    return {"fileName": file, "secretPath": path, **{f"nodekeep/{key}": value for key, value in extensions.items()}}


# -- the dialect (docs/protocol/secret-provider-class.md, "akeyless parameters" and "akeyless objects")


def test_two_static_secrets_with_the_versions_of_the_items(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/F1/F2/secret1", "one", version=3)
    akeyless.add_item("/secret2", "two")
    spc = akeyless_tenant.spc({"fileName": "secret1", "secretPath": "/F1/F2/secret1", "secretArgs": {"foo": "bar"}},
                              ("secret2", "/secret2"))
    mounted = akeyless_driver.mount(spc, akeyless_tenant.pod())
    assert mounted.files == {"secret1": b"one", "secret2": b"two"}
    assert mounted.versions == {"secret1:/F1/F2/secret1": "3", "secret2:/secret2": "1"}
    assert set(mounted.modes.values()) == {0o644}


def test_a_path_without_its_slash(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/secret2", "two")
    mounted = akeyless_driver.mount(akeyless_tenant.spc(("f", "secret2")), akeyless_tenant.pod())
    assert mounted.files == {"f": b"two"} and mounted.versions == {"f:secret2": "1"}


def test_the_gateway_and_the_login_come_from_the_node(akeyless, start_akeyless_agent, akeyless_tenant):
    akeyless.add_item("/a", "v")
    agent = start_akeyless_agent(env={"AKEYLESS_URL": akeyless.url, "AKEYLESS_ACCESS_ID": akeyless_tenant.access_id,
                                      "AKEYLESS_ACCESS_KEY": akeyless_tenant.access_key, "CREDENTIALS": "wrong"})
    mounted = agent.driver("akeyless").mount({"akeylessAccessType": "access_key", "objects": "- {fileName: f, secretPath: /a}"},
                                             akeyless_tenant.pod())
    assert mounted.files == {"f": b"v"} and set(mounted.modes.values()) == {0o644}


def test_an_unknown_type_and_an_unknown_key_are_accepted(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "v")
    spc = akeyless_tenant.spc(("f", "/a"), access_type="aws", KubernetesServiceAccountPath="/x", vaultKubernetesMountPath="k")
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"v"}


def test_no_target_path_and_no_objects(akeyless_driver, akeyless_tenant):
    spc = akeyless_tenant.spc(("f", "/a"))
    assert "missing target path field" in akeyless_driver.failure(spc, akeyless_tenant.pod(), target="").message
    assert "no secrets configured" in akeyless_driver.failure({**spc, "objects": "[]"}, akeyless_tenant.pod()).message


@pytest.mark.parametrize("in_class, in_secret, in_access_key, in_credentials, wanted", [
    ("spc", "secret", "env", "credentials", "spc"), ("", "secret", "env", "credentials", "secret"),
    ("", None, "env", "credentials", "env"), ("", None, None, "credentials", "credentials"), ("", "", "env", None, "env")])
def test_the_first_access_key_that_is_there_is_used(
        akeyless, start_akeyless_agent, in_class, in_secret, in_access_key, in_credentials, wanted):
    akeyless.add_item("/a", "v")
    access_id = akeyless.add_method("access_key", access_key=wanted)
    env = {name: value for name, value in (("AKEYLESS_ACCESS_KEY", in_access_key), ("CREDENTIALS", in_credentials)) if value}
    secrets = None if in_secret is None else {"akeylessAccessKey": in_secret}
    mounted = start_akeyless_agent(env=env).driver("akeyless").mount(
        akeyless_class(akeyless.url, access_id, ("f", "/a"), access_key=in_class), Pod("shop", "web-0", "uid"), secrets=secrets)
    assert mounted.files == {"f": b"v"}
    assert [request["body"]["access-key"] for request in akeyless.requests(0, "auth")] == [wanted]


PEMS = {"certificate_pem": "-----BEGIN CERTIFICATE-----\nMII<&>\n-----END CERTIFICATE-----\n", "private_key_pem": "KEY\n"}
TYPES = [
    # name, type, value, bytes of the file
    ("certificate, both", "CERTIFICATE", PEMS,
     b'{"certificate_pem":"-----BEGIN CERTIFICATE-----\\nMII\\u003c\\u0026\\u003e\\n-----END CERTIFICATE-----\\n",'
     b'"private_key_pem":"KEY\\n"}'),
    ("certificate, without its key", "CERTIFICATE", {"certificate_pem": "CERT"}, b'{"certificate_pem":"CERT"}'),
    ("rotated", "ROTATED_SECRET", {"username": "u", "password": "p"}, b'{\n  "password": "p",\n  "username": "u"\n}'),
    ("payload", "ROTATED_SECRET", {"payload": '{"k":1}'}, b'{\n  "payload": "{\\"k\\":1}"\n}'),
    ("linked hosts", "ROTATED_SECRET", {"linked_hosts": {"db:5432": {"username": "u"}}},
     b'{\n  "linked_hosts": {\n    "db:5432": {\n      "username": "u"\n    }\n  }\n}'),
    ("static, bytes of every kind", "STATIC_SECRET", "a\0b\n\té<&>", "a\0b\n\té<&>".encode()),
    ("static, empty", "STATIC_SECRET", "", b""),
    ("static, long", "STATIC_SECRET", "x" * 100_000, b"x" * 100_000),
]


@pytest.mark.parametrize("type, value, wanted", [row[1:] for row in TYPES], ids=[row[0] for row in TYPES])
def test_what_is_written_of_each_type(akeyless, akeyless_driver, akeyless_tenant, type, value, wanted):
    akeyless.add_item("/a", value, type=type, version=4)
    mounted = akeyless_driver.mount(akeyless_tenant.spc(("f", "/a")), akeyless_tenant.pod())
    assert mounted.files == {"f": wanted} and mounted.versions == {"f:/a": "4"}


def test_a_static_value_that_is_not_a_text(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.set(static_values="object")
    akeyless.add_item("/a", '{"user": "alice", "n": 7}', format="json")
    failed = akeyless_driver.failure(akeyless_tenant.spc(("f", "/a")), akeyless_tenant.pod())
    assert "value must be a string, got map[string]interface {}" in failed.message
    spc = akeyless_tenant.spc(entry("f", "/a", jsonText=True), entry("u", "/a", property="user"))
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b'{"n":7,"user":"alice"}', "u": b"alice"}


def test_one_path_in_two_files(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "v", version=2)
    mounted = akeyless_driver.mount(akeyless_tenant.spc(("one", "/a"), ("two", "/a")), akeyless_tenant.pod())
    assert mounted.files == {"one": b"v", "two": b"v"}
    assert mounted.versions == {"one:/a": "2", "two:/a": "2"}


def test_two_access_ids_at_once(akeyless, akeyless_driver):
    akeyless.add_item("/own/a", "of a")
    akeyless.add_item("/own/b", "of b")
    tenants = {name: AkeylessTenant(akeyless, account=name, rules=[(f"/own/{name}", "read")]) for name in "ab"}
    requests = [(tenant.spc(("f", f"/own/{name}")), tenant.pod()) for name, tenant in tenants.items()] * 8
    for i, outcome in enumerate(akeyless_driver.mount_all(requests)):
        assert outcome.files == {"f": b"of " + (b"a" if i % 2 == 0 else b"b")}
    refused = akeyless_driver.failure(tenants["a"].spc(("f", "/own/b")), tenants["a"].pod())
    assert refused.code == grpc.StatusCode.PERMISSION_DENIED


def test_a_missing_item_fails_its_mount_only(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "v")
    failed = akeyless_driver.failure(akeyless_tenant.spc(("f", "/a"), ("g", "/absent")), akeyless_tenant.pod())
    assert failed.code == grpc.StatusCode.NOT_FOUND
    assert "can't describe item: /absent, error: secret \"/absent\" does not exist:" in failed.message and "NotFound" in failed.message
    assert akeyless_agent.running
    assert akeyless_driver.mount(akeyless_tenant.spc(("f", "/a")), akeyless_tenant.pod()).files == {"f": b"v"}


def test_a_type_that_upstream_does_not_serve_is_named(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/d", type="DYNAMIC_SECRET")
    failed = akeyless_driver.failure(akeyless_tenant.spc(("f", "/d")), akeyless_tenant.pod())
    assert "unsupported item type DYNAMIC_SECRET for secret /d" in failed.message
    assert akeyless.mints("/d") == 0


def test_a_wrong_access_key(akeyless, akeyless_driver, akeyless_tenant):
    failed = akeyless_driver.failure({**akeyless_tenant.spc(("f", "/a")), "akeylessAccessKey": "wrong",
                                      "akeylessAccessType": "access_key"}, akeyless_tenant.pod())
    assert f"authentication failed {akeyless.url}" in failed.message
    assert akeyless_tenant.access_id not in failed.message and "acc-fake" not in failed.message


@pytest.mark.parametrize("prefix", ["", "/v2", "/api/v2", "/akeyless-api/v2"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_gateway_may_stand_below_any_prefix(akeyless, akeyless_driver, akeyless_tenant, prefix, slash):
    akeyless.set(prefixes=[prefix])
    akeyless.add_item("/a", "v")
    spc = akeyless_tenant.spc(("f", "/a"), gateway=akeyless.base + prefix + slash)
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"v"}


@pytest.mark.parametrize("path", ["/wrong", "/api/v1"])
def test_a_wrong_path_is_told_from_a_wrong_credential(akeyless, akeyless_driver, akeyless_tenant, path):
    failed = akeyless_driver.failure(akeyless_tenant.spc(("f", "/a"), gateway=akeyless.base + path), akeyless_tenant.pod())
    assert "/api/v2" in failed.message, failed.message


def test_requests_name_the_agent_and_are_json(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "v")
    akeyless_driver.mount(akeyless_tenant.spc(("f", "/a")), akeyless_tenant.pod())
    for request in akeyless.requests():
        headers = request["headers"]
        assert headers["akeylessclienttype"] == "nodekeep" and headers["user-agent"].startswith("nodekeep")
        assert headers["content-type"] == "application/json" and headers["accept"] == "application/json"
        assert "authorization" not in headers


@pytest.mark.parametrize("expiration", ["go", "bare", "rfc3339", "rfc3339nano", "none", "tomorrow"])
def test_the_end_of_a_token_may_be_told_in_any_way(akeyless, akeyless_driver, akeyless_tenant, expiration):
    akeyless.set(expiration=expiration, extra_fields=True)
    akeyless.add_item("/a", "v")
    for _ in range(3):
        assert akeyless_driver.mount(akeyless_tenant.spc(("f", "/a"), **AT_ONCE), akeyless_tenant.pod()).files == {"f": b"v"}
    assert akeyless.logins() == 1


# -- numbers of requests


@pytest.mark.parametrize("path, lookups", [("/dir/s{}", {"list-items": 1}), ("/dir{}/s", {"describe-item": 10})],
                         ids=["one folder", "separate folders"])
def test_ten_static_secrets_cost_one_read(akeyless, akeyless_driver, akeyless_tenant, path, lookups):
    for i in range(10):
        akeyless.add_item(path.format(i), f"value {i}")
    spc = akeyless_tenant.spc(*[(f"f{i}", path.format(i)) for i in range(10)])
    assert len(akeyless_driver.mount(spc, akeyless_tenant.pod()).files) == 10
    # describe-item takes one item only, but a list of the folder describes all.
    assert akeyless.counts() == {"auth": 1, **lookups, "get-secret-value": 1}
    mark = akeyless.mark()
    assert len(akeyless_driver.mount(spc, akeyless_tenant.pod()).files) == 10
    assert akeyless.counts(mark) == {}


def test_an_unchanged_version_is_not_read_again(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "old")
    spc = akeyless_tenant.spc(("f", "/a"), **AT_ONCE)
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"old"}
    mark = akeyless.mark()
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"old"}
    assert akeyless.counts(mark)["auth"] == 0 and akeyless.counts(mark)["get-secret-value"] == 0
    akeyless.put("/a", "new")
    mounted = akeyless_driver.mount(spc, akeyless_tenant.pod())
    assert mounted.files == {"f": b"new"} and mounted.versions == {"f:/a": "2"}


def test_a_missing_name_in_a_batch_is_attributed(akeyless, akeyless_driver, akeyless_tenant):
    tenant = AkeylessTenant(akeyless, rules=[("/a", "read", "list"), ("/seen", "list")])
    akeyless.add_item("/a", "v")
    akeyless.add_item("/seen", "v")
    failed = akeyless_driver.failure(tenant.spc(("f", "/a"), ("g", "/seen")), tenant.pod())
    assert failed.code == grpc.StatusCode.PERMISSION_DENIED and "/seen" in failed.message
    spc = tenant.spc(("f", "/a"), entry("g", "/seen", optional=True))
    assert akeyless_driver.failure(spc, tenant.pod()).code == grpc.StatusCode.PERMISSION_DENIED


def test_a_token_that_ended_is_replaced_once(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "v")
    spc = akeyless_tenant.spc(("f", "/a"), **AT_ONCE)
    akeyless_driver.mount(spc, akeyless_tenant.pod())
    assert akeyless.expire_tokens() == 1
    akeyless.put("/a", "new")
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"new"}
    assert akeyless.logins() == 2


@pytest.mark.parametrize("marker", ["UnauthorizedAccess", "another text"])
def test_a_denied_path_does_not_cost_a_login_each_time(akeyless, akeyless_driver, marker):
    akeyless.set(denied_marker=marker)
    tenant = AkeylessTenant(akeyless, rules=[("/mine", "read")])
    spc = tenant.spc(("f", "/yours"), **AT_ONCE)
    for _ in range(10):
        # The API returns 401 both for an expired token and for a denied path.
        assert akeyless_driver.failure(spc, tenant.pod()).code in (
            grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)
    assert akeyless.logins() + akeyless.failed_logins() <= 2


# -- extensions


def test_options_of_objects(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/db", '{"user": "alice", "deep": {"port": 5432}}', format="json")
    akeyless.add_item("/b64", base64.b64encode(b"\0\1\2").decode() + "\n")
    akeyless.add_item("/v", versions={"1": "first", "2": "second"})
    akeyless.add_item("/rotated", {"username": "u", "password": "p"}, type="ROTATED_SECRET")
    spc = akeyless_tenant.spc(
        entry("user", "/db", property="user", filePermission=0o400), entry("port", "/db", property="deep.port"),
        entry("bytes", "/b64", decode="base64"), entry("old", "/v", version=1), ("new", "/v"),
        entry("password", "/rotated", property="password"), entry("absent", "/absent", optional=True))
    mounted = akeyless_driver.mount(spc, akeyless_tenant.pod())
    assert mounted.files == {"user": b"alice", "port": b"5432", "bytes": b"\0\1\2", "old": b"first", "new": b"second",
                             "password": b"p"}
    assert mounted.modes["user"] == 0o400 and mounted.modes["port"] == 0o644
    assert mounted.versions["old:/v"] == "1" and mounted.versions["new:/v"] == "2"


def test_a_misspelt_option_is_refused(akeyless_driver, akeyless_tenant):
    failed = akeyless_driver.failure(akeyless_tenant.spc(entry("f", "/a", propery="user")), akeyless_tenant.pod())
    assert "nodekeep/propery" in failed.message and "did you mean nodekeep/property?" in failed.message


def test_a_folder_brings_its_items_as_they_come_and_go(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.set(page_size=2, paging="always")
    for i in range(5):
        akeyless.add_item(f"/team/app/s{i}", f"value {i}")
    akeyless.add_item("/team/app/deep/r", {"k": "v"}, type="ROTATED_SECRET")
    akeyless.add_item("/team/application", "not of the folder")
    spc = akeyless_tenant.spc(entry("app", "/team/app", type="folder"), **AT_ONCE)
    wanted = {f"app/s{i}": f"value {i}".encode() for i in range(5)} | {"app/deep/r": b'{\n  "k": "v"\n}'}
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == wanted
    akeyless.delete_item("/team/app/s0")
    akeyless.put("/team/app/s1", "changed")
    del wanted["app/s0"]
    wanted["app/s1"] = b"changed"
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == wanted


def test_a_folder_with_a_disabled_item_names_it_or_leaves_it_out(akeyless, akeyless_driver, akeyless_tenant):
    for i in range(3):
        akeyless.add_item(f"/team/app/s{i}", f"value {i}")
    akeyless.add_item("/team/app/off", "x", enabled=False)
    failed = akeyless_driver.failure(akeyless_tenant.spc(entry("app", "/team/app", type="folder")), akeyless_tenant.pod())
    assert "/team/app/off: the item is disabled" in failed.message and "nodekeep/optional: true on the folder" in failed.message
    spc = akeyless_tenant.spc(entry("app", "/team/app", type="folder", optional=True))
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {f"app/s{i}": f"value {i}".encode() for i in range(3)}


def test_a_dynamic_secret_is_minted_once_for_all_mounts_of_its_life(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/d", type="DYNAMIC_SECRET", ttl_minutes=60)
    pod = akeyless_tenant.pod()
    spc = akeyless_tenant.spc(entry("all", "/d", type="dynamic"), entry("user", "/d", type="dynamic", property="user"), **AT_ONCE)
    first = akeyless_driver.mount(spc, pod)
    assert json.loads(first.files["all"])["user"] == first.text("user") == "tmp.p-app.1"
    for _ in range(5):
        again = akeyless_driver.mount(spc, pod)
        assert again.files == first.files and again.versions == first.versions
    assert akeyless.mints("/d") == 1


def between_mints(akeyless, command: str) -> list[float]:
    """Seconds between consecutive requests of this command, by the gateway's clock."""
    times = [request["time"] for request in akeyless.requests(0, command)]
    return [after - before for before, after in itertools.pairwise(times)]


def test_a_dynamic_secret_is_minted_again_at_two_thirds_of_its_life(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant):
    life = 6.0
    akeyless.add_item("/d", type="DYNAMIC_SECRET", shape={"user": "tmp.{n}", "password": "{random}", "ttl_in_minutes": f"{life:.0f}s"})
    spc = akeyless_tenant.spc(entry("f", "/d", type="dynamic", property="user"), **AT_ONCE)
    pods = [akeyless_tenant.pod(), akeyless_tenant.pod()]
    polls, seen, began = 0, [], time.monotonic()
    while len(seen) < 3:
        # Same scope: both pods have the same credentials at any time.
        first, second = (akeyless_driver.mount(spc, pod) for pod in pods)
        if first.text("f") == second.text("f") and first.text("f") not in seen[-1:]:
            seen.append(first.text("f"))
            assert first.versions == second.versions
        polls += 2
        assert time.monotonic() - began < 3 * life
    assert seen == ["tmp.1", "tmp.2", "tmp.3"]
    assert akeyless.mints("/d") == 3 and polls > 60, polls
    # Never before two thirds of the current credentials' lifetime, always before its end.
    for between in between_mints(akeyless, "get-dynamic-secret-value"):
        assert 2 / 3 * life - 0.5 <= between < life
    mark = akeyless.mark()
    for _ in range(20):
        for pod in pods:
            assert akeyless_driver.mount(spc, pod).text("f") == "tmp.3"
    assert akeyless.requests(mark) == []


def test_arguments_of_a_dynamic_secret(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/d", type="DYNAMIC_SECRET")
    arguments = {"args": ["role=ro"], "host": "db", "target": "t", "dbName": "app", "timeout": 20}
    akeyless_driver.mount(akeyless_tenant.spc(entry("f", "/d", type="dynamic", arguments=arguments)), akeyless_tenant.pod())
    body = akeyless.requests(0, "get-dynamic-secret-value")[0]["body"]
    assert (body["args"], body["host"], body["target"], body["dbname"], body["timeout"]) == (["role=ro"], "db", "t", "app", 20)


def test_a_pki_certificate_is_for_a_key_that_never_leaves_the_node(akeyless, akeyless_driver, akeyless_tenant, tmp_path):
    akeyless.add_item("/pki", type="PKI_CERT_ISSUER", allowed_domains=["bed.test"])
    arguments = {"commonName": "web.bed.test", "altNames": "a.bed.test, b.bed.test", "ttl": "1h", "keyType": "ec256"}
    pki = {"type": "pki", "arguments": arguments}
    spc = akeyless_tenant.spc(entry("crt", "/pki", property="certificate_pem", **pki),
                              entry("key", "/pki", property="private_key_pem", **pki), entry("ca", "/pki", property="ca_pem", **pki))
    mounted = akeyless_driver.mount(spc, akeyless_tenant.pod())
    for name, contents in mounted.files.items():
        (tmp_path / name).write_bytes(contents)
    subprocess.run(["openssl", "verify", "-CAfile", tmp_path / "ca", tmp_path / "crt"], check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate(mounted.files["crt"])
    key = serialization.load_pem_private_key(mounted.files["key"], None)
    assert certificate.public_key().public_numbers() == key.public_key().public_numbers()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"a.bed.test", "b.bed.test"} <= set(names.get_values_for_type(x509.DNSName))
    assert mounted.text("ca") == akeyless.authority("/pki") and akeyless.mints("/pki") == 1
    assert "PRIVATE KEY" not in json.dumps(akeyless.requests())
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == mounted.files


def test_a_certificate_is_issued_again_at_two_thirds_of_its_life(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/pki", type="PKI_CERT_ISSUER")
    arguments = {"commonName": "web", "ttl": "9s", "keyType": "ec256"}
    spc = akeyless_tenant.spc(entry("crt", "/pki", type="pki", property="certificate_pem", arguments=arguments), **AT_ONCE)
    pod = akeyless_tenant.pod()
    first = akeyless_driver.mount(spc, pod).files
    akeyless_agent.wait_for(lambda: akeyless_driver.mount(spc, pod).files != first, "a new certificate", 12)
    [between] = between_mints(akeyless, "get-pki-certificate")
    assert 5 <= between <= 9
    assert akeyless.mints("/pki") == 2


@pytest.mark.parametrize("key_type", ["ed25519", "ec256", "rsa2048"])
def test_an_ssh_certificate_and_its_key_are_what_openssh_reads(akeyless, akeyless_driver, akeyless_tenant, tmp_path, key_type):
    akeyless.add_item("/ssh", type="SSH_CERT_ISSUER", allowed_users=["ubuntu"])
    ssh = {"type": "ssh", "arguments": {"username": "ubuntu", "ttl": "10m", "keyType": key_type}}
    spc = akeyless_tenant.spc(entry("id", "/ssh", property="private_key", **ssh),
                              entry("id.pub", "/ssh", property="public_key", **ssh),
                              entry("id-cert.pub", "/ssh", property="certificate", **ssh))
    for name, contents in akeyless_driver.mount(spc, akeyless_tenant.pod()).files.items():
        (tmp_path / name).write_bytes(contents)
        (tmp_path / name).chmod(0o600)

    def openssh(*arguments) -> str:
        return subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True).stdout

    public = openssh("-y", "-f", tmp_path / "id").split()[:2]
    assert public == (tmp_path / "id.pub").read_text().split()[:2]
    assert "ubuntu" in openssh("-L", "-f", tmp_path / "id-cert.pub")
    assert openssh("-l", "-f", tmp_path / "id-cert.pub").split()[1] == openssh("-l", "-f", tmp_path / "id.pub").split()[1]
    assert "PRIVATE KEY" not in json.dumps(akeyless.requests())


def test_a_classic_key(akeyless, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/k", {"key": "KEY"}, type="CLASSIC_KEY")
    spc = akeyless_tenant.spc(entry("f", "/k", type="classic-key", property="key"))
    assert akeyless_driver.mount(spc, akeyless_tenant.pod()).files == {"f": b"KEY"}


# -- logins


def kubernetes_method(akeyless, cluster, **spec) -> str:
    return akeyless.add_method("k8s", config_name="the-cluster", public_keys=[cluster.signing_key.public.read_text()],
                               issuer=cluster.issuer, **spec)


def kubernetes_class(akeyless, access_id: str, *entries, **parameters) -> dict:
    return akeyless_class(akeyless.url, access_id, *entries, access_type="k8s", akeylessK8sAuthConfigName="the-cluster",
                          **parameters)


AS_POD = {"akeylessAuthAs": "pod", "nodekeep/audience": "akeyless"}


def test_a_pod_logs_in_with_its_own_token(akeyless, akeyless_driver, cluster, namespace, web):
    access_id = kubernetes_method(akeyless, cluster, audience="akeyless", bound_namespaces=[namespace], bound_pod_names=["web-0"])
    akeyless.add_item("/a", "v")
    spc = kubernetes_class(akeyless, access_id, ("f", "/a"), **AS_POD)
    assert akeyless_driver.mount(spc, web()).files == {"f": b"v"}
    # Rules may depend on the pod, so one pod's values are not served to another.
    assert "authentication failed" in akeyless_driver.failure(spc, web("web-1")).message


def test_a_login_with_a_pods_token_is_shared_where_the_operator_says_so(akeyless, start_akeyless_agent, cluster, web):
    access_id = kubernetes_method(akeyless, cluster, audience="akeyless")
    akeyless.add_item("/a", "v")
    spc = kubernetes_class(akeyless, access_id, ("f", "/a"), **AS_POD)
    for settings, logins in (({}, 3), ({"shareByServiceAccount": True}, 1)):
        driver = start_akeyless_agent(settings).driver("akeyless")
        mark = akeyless.mark()
        for i in range(3):
            assert driver.mount(spc, web(f"web-{logins}-{i}")).files == {"f": b"v"}
        assert akeyless.logins(mark) == logins


def test_the_agent_logs_in_with_its_own_token_unless_told_otherwise(akeyless, start_akeyless_agent, cluster, namespace, tmp_path):
    cluster.create_service_account(namespace, "nodekeep")
    token_file = tmp_path / "token"
    token_file.write_text(cluster.mint_token(namespace, "nodekeep", None) + "\n")
    access_id = kubernetes_method(akeyless, cluster, bound_sa_names=["nodekeep"])
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent({"serviceAccountTokenFile": str(token_file)}).driver("akeyless")
    spc = kubernetes_class(akeyless, access_id, ("f", "/a"))
    for i in range(3):
        assert driver.mount(spc, Pod(namespace, f"web-{i}", f"uid-{i}")).files == {"f": b"v"}
    assert akeyless.logins() == 1 and akeyless.failed_logins() == 0


@pytest.mark.parametrize("said", ["https://owner.test:8000", "https://owner.test:8000/api/v2/"])
@pytest.mark.parametrize("where", ["class", "node"])
def test_the_service_is_told_which_gateway_reviews_the_token(akeyless, start_akeyless_agent, cluster, web, said, where):
    access_id = kubernetes_method(akeyless, cluster, audience="akeyless", gateway_url="https://owner.test:8000")
    akeyless.add_item("/a", "v")
    spc = kubernetes_class(akeyless, access_id, ("f", "/a"), **AS_POD)
    assert "authentication failed" in start_akeyless_agent().driver("akeyless").failure(spc, web("web-0")).message
    settings = {"k8sGatewayUrl": said} if where == "node" else {}
    spc = {**spc, "nodekeep/k8sGatewayURL": said} if where == "class" else spc
    assert start_akeyless_agent(settings).driver("akeyless").mount(spc, web("web-1")).files == {"f": b"v"}


def test_a_pods_token_as_jwt(akeyless, akeyless_driver, cluster, namespace, web):
    access_id = akeyless.add_method("jwt", jwks=cluster.must("GET", "/openid/v1/jwks"), issuer=cluster.issuer, audience="akeyless.io",
                                    bound_claims={"sub": [f"system:serviceaccount:{namespace}:web"]})
    akeyless.add_item("/a", "v")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="jwt")
    assert akeyless_driver.mount(spc, web(audience="akeyless.io")).files == {"f": b"v"}


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_certificate_logs_in_without_sending_its_key(akeyless, start_akeyless_agent, tmp_path, kind):
    authority = CertificateAuthority(tmp_path / "ca")
    client = authority.issue("node1")
    if kind == "rsa":
        subprocess.run(["openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node1", "-keyout", client.key,
                        "-out", tmp_path / "csr"], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", tmp_path / "csr", "-CA", authority.cert, "-CAkey", authority.key,
                        "-CAcreateserial", "-out", client.cert], check=True, capture_output=True)
    access_id = akeyless.add_method("cert", ca_pem=authority.pem, allowed_names=["node1"])
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent({"certFile": str(client.cert), "certKeyFile": str(client.key)}).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="cert")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}
    assert "key-data" not in akeyless.requests(0, "auth")[0]["body"]
    assert base64.b64encode(client.key.read_bytes()).decode()[:60] not in json.dumps(akeyless.requests())


AWS_KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "SESSIONTOKENEXAMPLE")
AWS_ENVIRONMENT = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), AWS_KEY))


def test_aws_credentials_of_the_node(akeyless, start_akeyless_agent):
    access_id = akeyless.add_method("aws_iam", keys={AWS_KEY[0]: {"secret": AWS_KEY[1], "session_token": AWS_KEY[2]}})
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent(env=AWS_ENVIRONMENT).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="aws_iam")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}


def test_googles_identity_of_the_machine(akeyless, start_akeyless_agent, cloud_metadata, issuer_key):
    access_id = akeyless.add_method("gcp", public_keys=[issuer_key.public.read_text()],
                                    bound_emails=["app@project.iam.gserviceaccount.com"])
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent(env={"GCE_METADATA_HOST": cloud_metadata.address}).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="gcp")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}
    assert any("audience=akeyless.io" in path and "format=full" in path for _, path, _ in cloud_metadata.requests)


def azure_method(akeyless, issuer_key) -> str:
    return akeyless.add_method("azure_ad", public_keys=[issuer_key.public.read_text()], issuer=AZURE_ISSUER,
                               bound_object_ids=["object"])


def test_azures_managed_identity_by_its_object_id(akeyless, start_akeyless_agent, cloud_metadata, issuer_key):
    access_id = azure_method(akeyless, issuer_key)
    akeyless.add_item("/a", "v")
    driver = start_akeyless_agent(
        env={"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{cloud_metadata.address}"}).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="azure_ad", akeylessAzureObjectID="object")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}
    assert any("object_id=object" in path for _, path, _ in cloud_metadata.requests)


def test_azures_workload_identity(akeyless, start_akeyless_agent, cloud_metadata, issuer_key, tmp_path):
    access_id = azure_method(akeyless, issuer_key)
    akeyless.add_item("/a", "v")
    (tmp_path / "token").write_text("header.claims.signature")
    driver = start_akeyless_agent(env={
        "AZURE_AUTHORITY_HOST": f"http://{cloud_metadata.address}/", "AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client",
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}).driver("akeyless")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="azure_ad")
    assert driver.mount(spc, Pod("shop", "web-0", "uid")).files == {"f": b"v"}
    form = cloud_metadata.requests[-1][2]
    assert (form["client_id"], form["client_assertion"]) == ("client", "header.claims.signature")


def test_a_universal_identity_is_rotated_by_one_at_a_time(akeyless, akeyless_driver):
    access_id = akeyless.add_method("universal_identity")
    first = akeyless.add_uid_token(access_id)
    for i in range(5):
        akeyless.add_item(f"/s{i}", f"value {i}")
    requests = [(akeyless_class(akeyless.url, access_id, ("f", f"/s{i}"), access_type="universal_identity",
                                akeylessUIDInitToken=first), Pod("shop", f"web-{i}", f"uid-{i}")) for i in range(5)]
    for i, outcome in enumerate(akeyless_driver.mount_all(requests)):
        assert outcome.files == {"f": f"value {i}".encode()}
    assert akeyless.failed_logins() == 0
    rotations = akeyless.requests(0, "uid-rotate-token")
    # The two phases of one rotation.
    assert [bool(request["body"].get("send-manual-ack-token")) for request in rotations] == [False, True]
    assert rotations[0]["body"]["with-manual-ack"] is True


def test_a_universal_identity_survives_the_agent_that_rotated_it(akeyless, start_akeyless_agent, tmp_path):
    access_id = akeyless.add_method("universal_identity")
    first = akeyless.add_uid_token(access_id)
    akeyless.add_item("/a", "v")
    spc = akeyless_class(akeyless.url, access_id, ("f", "/a"), access_type="universal_identity", akeylessUIDInitToken=first)
    agent = start_akeyless_agent({"uidTokenDirectory": str(tmp_path / "uid")})
    assert agent.driver("akeyless").mount(spc, Pod("shop", "web", "uid")).files == {"f": b"v"}
    agent.restart()
    assert agent.driver("akeyless").mount(spc, Pod("shop", "web", "uid")).files == {"f": b"v"}
    # After the restart the agent continued with the last token: the first one is no longer valid.
    rotations = [request["body"]["uid-token"] for request in akeyless.requests(0, "uid-rotate-token")]
    assert rotations[0] == first and rotations[-1] != first
    assert akeyless.failed_logins() == 0
    without = start_akeyless_agent().driver("akeyless").failure(spc, Pod("shop", "web", "uid"))
    assert "the token could not be rotated" in without.message
    (kept,) = (tmp_path / "uid").iterdir()
    assert first.encode() not in kept.read_bytes() and rotations[-1].encode() not in kept.read_bytes()


def test_legacy_probing_logs_in_by_what_works_first(akeyless, start_akeyless_agent, akeyless_tenant):
    akeyless.add_item("/a", "v")
    spc = {**akeyless_tenant.spc(("f", "/a")), "akeylessAccessType": "k8s", "akeylessK8sAuthConfigName": "none"}
    strict, legacy = (start_akeyless_agent({"legacyProbing": probing, "serviceAccountTokenFile": "/dev/null"}).driver("akeyless")
                      for probing in (False, True))
    assert "authentication failed" in strict.failure(spc, akeyless_tenant.pod()).message
    assert akeyless.requests(0, "auth") == []  # there is no token to send
    assert legacy.mount(spc, akeyless_tenant.pod()).files == {"f": b"v"}


# -- nothing leaks


def test_neither_log_nor_status_shows_a_secret(akeyless, akeyless_agent, akeyless_driver, akeyless_tenant):
    akeyless.add_item("/a", "the-secret-value")
    akeyless_driver.mount(akeyless_tenant.spc(("f", "/a")), akeyless_tenant.pod())
    akeyless_driver.failure(akeyless_tenant.spc(("f", "/absent")), akeyless_tenant.pod())
    token = akeyless.requests(0, "describe-item")[0]["body"]["token"]
    shown = akeyless_agent.log_path.read_text() + json.dumps(akeyless_agent.status()) + akeyless_agent.http("/metrics")[1]
    for secret in ("the-secret-value", akeyless_tenant.access_key, token):
        assert secret not in shown
