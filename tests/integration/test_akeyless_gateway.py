"""The scriptable Akeyless gateway behaves like a real one: the official SDK logs in, lists, describes and reads all types.

If one of these tests fails, fix the gateway before looking at nodekeep.
"""

import base64
import json
import subprocess
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.x509.oid import NameOID

from bed.akeyless import AkeylessGateway
from bed.certificates import CertificateAuthority
from bed.json_client import JsonClient
from harness.akeyless import decoded_cloud_id, same_body
from harness.akeyless_sdk import AkeylessSdk, SdkError, aws_cloud_id

AWS_KEY = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "SESSIONTOKENEXAMPLE")


def b64(content: bytes | str) -> str:
    return base64.b64encode(content.encode() if isinstance(content, str) else content).decode()


def refused(call, *arguments, **fields) -> SdkError:
    with pytest.raises(SdkError) as caught:
        call(*arguments, **fields)
    return caught.value


@pytest.fixture
def token(akeyless, sdk) -> str:
    """The token of an access key that may read and list everything."""
    access_id, key = akeyless.add_access_key()
    return sdk.log_in(access_id=access_id, access_key=key)


def signed(key, **claims) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + 600, **claims}, key.private.read_text(), "RS256")


# -- logins

def test_access_key(akeyless, sdk):
    access_id, key = akeyless.add_access_key()
    reply = sdk.call("auth", access_id=access_id, access_key=key)
    assert reply["token"].startswith("t-") and len(reply["token"]) == 34
    assert time.strptime(reply["expiration"], "%Y-%m-%d %H:%M:%S +0000 UTC")
    error = refused(sdk.call, "auth", access_id=access_id, access_key="wrong")
    assert error.status == 401 and "AuthenticationFailed" in json.loads(error.body)["error"]
    assert refused(sdk.call, "auth").status == 401
    assert "AccessId" in refused(sdk.call, "auth").body


@pytest.mark.parametrize("how", ["base64", "raw"])
def test_kubernetes_tokens_of_the_real_api_server(akeyless, sdk, cluster, namespace, how):
    cluster.create_service_account(namespace, "web")
    pod = cluster.create_pod(namespace, "web-0", "web")
    token = cluster.mint_token(namespace, "web", "akeyless", pod=pod)
    access_id = akeyless.add_method("k8s", config_name="the-cluster", public_keys=[cluster.signing_key.public.read_text()],
                                    issuer=cluster.issuer, audience="akeyless", bound_namespaces=[namespace])
    fields = {"access_id": access_id, "access_type": "k8s", "k8s_auth_config_name": "the-cluster"}
    sent = token if how == "raw" else b64(token)
    claims = sdk.call("describe_sub_claims", token=sdk.log_in(**fields, k8s_service_account_token=sent))["sub_claims"]
    assert claims["service_account_name"] == ["web"] and claims["namespace"] == [namespace]
    assert claims["pod_name"] == ["web-0"] and claims["pod_uid"] == [pod["metadata"]["uid"]]


def test_kubernetes_tokens_are_verified(akeyless, sdk, cluster, namespace, issuer_key):
    cluster.create_service_account(namespace, "web")
    spec = {"config_name": "the-cluster", "jwks": cluster.must("GET", "/openid/v1/jwks"), "audience": "akeyless"}
    access_id = akeyless.add_method("k8s", **spec, bound_sa_names=["web"])
    elsewhere = akeyless.add_method("k8s", **spec, require_gateway_url=True)
    good = cluster.mint_token(namespace, "web", "akeyless")
    fields = {"access_id": access_id, "access_type": "k8s", "k8s_auth_config_name": "the-cluster"}
    assert sdk.log_in(**fields, k8s_service_account_token=b64(good))
    forged = signed(issuer_key, aud=["akeyless"], sub=f"system:serviceaccount:{namespace}:web")
    head, body, signature = good.split(".")
    # Changes the first base64 digit, because not every bit of the last one is significant.
    broken = f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    for case, sent in {
        "signed by another": b64(forged), "signature broken": b64(broken), "not a token": b64("hello"), "not base64": "%%%",
        "other audience": b64(cluster.mint_token(namespace, "web", "vault")),
        "other account": b64(cluster.mint_token(namespace, "default", "akeyless")), "untrimmed": b64(good + "\n"),
    }.items():
        akeyless.control("POST", "/methods/unblock", {"access_id": access_id})
        assert refused(sdk.log_in, **fields, k8s_service_account_token=sent).status == 401, case
    fields["access_id"] = elsewhere
    assert "gateway-url" in refused(sdk.log_in, **fields, k8s_service_account_token=b64(good)).body
    assert sdk.log_in(**fields, k8s_service_account_token=b64(good), gateway_url=akeyless.url)
    fields["k8s_auth_config_name"] = "another"
    assert refused(sdk.log_in, **fields, k8s_service_account_token=b64(good)).status == 401


def test_aws_with_a_cloud_id_of_the_vendors_library(akeyless, sdk):
    access_id = akeyless.add_method("aws_iam", keys={
        AWS_KEY[0]: {"secret": AWS_KEY[1], "session_token": AWS_KEY[2], "arn": "arn:aws:iam::1:role/app"}})
    cloud_id = aws_cloud_id(*AWS_KEY)
    token = sdk.log_in(access_id=access_id, access_type="aws_iam", cloud_id=cloud_id)
    assert sdk.call("describe_sub_claims", token=token)["sub_claims"] == {"arn": ["arn:aws:iam::1:role/app"]}
    for case, wrong in {
        "another secret": aws_cloud_id(AWS_KEY[0], "another", AWS_KEY[2]),
        "another session": aws_cloud_id(*AWS_KEY[:2], "another"),
        "another key id": aws_cloud_id("AKIDANOTHER", *AWS_KEY[1:]),
        "not base64": "{}", "not an object": b64("[]"), "members missing": b64("{}"),
    }.items():
        akeyless.control("POST", "/methods/unblock", {"access_id": access_id})
        error = refused(sdk.log_in, access_id=access_id, access_type="aws_iam", cloud_id=wrong)
        assert error.status == 401, (case, error)
    akeyless.control("POST", "/methods/unblock", {"access_id": access_id})
    akeyless.advance(16 * 60)
    assert " s old" in refused(sdk.log_in, access_id=access_id, access_type="aws_iam", cloud_id=cloud_id).body


# Signed at 2025-01-02T03:04:05Z by two independent signers (docs/protocol/akeyless-api.md, "Cloud id of AWS").
KNOWN_SIGNATURES = {
    None: "4701662687e456cb410a94338278a7fb96ad341d8771fec0a934b619ac7ca7c4",
    AWS_KEY[2]: "99443945147ca0f2626fe738e478db92837ddeebfdb18e4d8b69d4aff6e31eba",
}


@pytest.mark.parametrize("session_token", KNOWN_SIGNATURES)
def test_aws_signatures_are_those_of_the_published_vectors(akeyless, sdk, session_token):
    names = "content-length;content-type;host;x-amz-date" + (";x-amz-security-token" if session_token else "")
    headers = {
        "Authorization": [f"AWS4-HMAC-SHA256 Credential={AWS_KEY[0]}/20250102/eu-west-1/sts/aws4_request, "
                          f"SignedHeaders={names}, Signature={KNOWN_SIGNATURES[session_token]}"],
        "Content-Type": ["application/x-www-form-urlencoded"], "X-Amz-Date": ["20250102T030405Z"],
        **({"X-Amz-Security-Token": [session_token]} if session_token else {})}
    cloud_id = b64(json.dumps({
        "sts_request_method": "POST", "sts_request_url": b64("https://sts.eu-west-1.amazonaws.com/"),
        "sts_request_body": b64("Action=GetCallerIdentity&Version=2011-06-15"), "sts_request_headers": b64(json.dumps(headers))}))
    akeyless.advance(1735787045 - time.time())
    access_id = akeyless.add_method("aws_iam", keys={AWS_KEY[0]: {"secret": AWS_KEY[1], "session_token": session_token}})
    assert sdk.log_in(access_id=access_id, access_type="aws_iam", cloud_id=cloud_id)


def test_azure_gcp_and_plain_tokens(akeyless, sdk, issuer_key):
    keys = {"public_keys": [issuer_key.public.read_text()]}
    azure = akeyless.add_method("azure_ad", **keys, issuer="https://sts.windows.net/tenant/")
    entra = signed(issuer_key, aud="https://management.azure.com/", iss="https://sts.windows.net/tenant/", oid="object")
    assert sdk.log_in(access_id=azure, access_type="azure_ad", cloud_id=b64(entra))
    other = signed(issuer_key, aud="https://vault.azure.net", iss="https://sts.windows.net/tenant/")
    assert "audience" in refused(sdk.log_in, access_id=azure, access_type="azure_ad", cloud_id=b64(other)).body
    assert "base64" in refused(sdk.log_in, access_id=azure, access_type="azure_ad", cloud_id=entra).body

    google = akeyless.add_method("gcp", **keys, bound_emails=["app@project.iam.gserviceaccount.com"])
    identity = signed(issuer_key, aud="akeyless.io", email="app@project.iam.gserviceaccount.com")
    assert sdk.log_in(access_id=google, access_type="gcp", cloud_id=b64(identity))
    assert "gcp-audience" in refused(
        sdk.log_in, access_id=google, access_type="gcp", cloud_id=b64(identity), gcp_audience="another").body

    plain = akeyless.add_method("jwt", **keys, audience="akeyless", bound_claims={"sub": ["spiffe://example.org/web"]})
    svid = signed(issuer_key, aud=["akeyless"], sub="spiffe://example.org/web")
    assert sdk.log_in(access_id=plain, access_type="jwt", jwt=svid)
    assert refused(sdk.log_in, access_id=plain, access_type="jwt", jwt=signed(issuer_key, aud=["akeyless"], sub="x")).status == 401
    assert refused(sdk.log_in, access_id=plain, access_type="jwt",
                   jwt=signed(issuer_key, aud=["akeyless"], sub="spiffe://example.org/web", exp=1)).status == 401


def challenge_signed(key_file, challenge: str) -> str:
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    how = [ec.ECDSA(hashes.SHA256())] if isinstance(key, ec.EllipticCurvePrivateKey) else [padding.PKCS1v15(), hashes.SHA256()]
    return b64(key.sign(base64.b64decode(challenge), *how))


def test_certificates_by_key_and_by_challenge(akeyless, sdk, tmp_path):
    authority = CertificateAuthority(tmp_path / "ca")
    client = authority.issue("web")
    access_id = akeyless.add_method("cert", ca_pem=authority.pem, allowed_names=["web"])
    fields = {"access_id": access_id, "access_type": "cert", "cert_data": b64(client.cert.read_bytes())}
    assert sdk.log_in(**fields, key_data=b64(client.key.read_bytes()))

    def challenge() -> str:
        return sdk.call("get_cert_challenge", access_id=access_id, cert_data=fields["cert_data"])["challenge"]

    asked = challenge()
    answer = {"cert_challenge": asked, "signed_cert_challenge": challenge_signed(client.key, asked)}
    assert sdk.log_in(**fields, **answer)
    assert "was used" in refused(sdk.log_in, **fields, **answer).body
    asked = challenge()
    by_other_key = challenge_signed(authority.key, asked)
    assert refused(sdk.log_in, **fields, cert_challenge=asked, signed_cert_challenge=by_other_key).status == 401
    asked = challenge()
    akeyless.advance(61)
    assert "expired" in refused(
        sdk.log_in, **fields, cert_challenge=asked, signed_cert_challenge=challenge_signed(client.key, asked)).body
    foreign = CertificateAuthority(tmp_path / "other").issue("web")
    assert refused(sdk.call, "get_cert_challenge", access_id=access_id, cert_data=b64(foreign.cert.read_bytes())).status == 401


def test_a_universal_identity_rotates_plainly_and_with_acknowledgement(akeyless, sdk):
    access_id = akeyless.add_method("universal_identity", ttl_minutes=10)
    akeyless.add_item("/a", "v")
    first = akeyless.add_uid_token(access_id)
    assert sdk.call("get_secret_value", names=["/a"], uid_token=first) == {"/a": "v"}
    assert sdk.log_in(access_type="universal_identity", uid_token=first).startswith("t-")

    second = sdk.call("uid_rotate_token", uid_token=first)["token"]
    assert refused(sdk.call, "get_secret_value", names=["/a"], uid_token=first).status == 401

    third = sdk.call("uid_rotate_token", uid_token=second, with_manual_ack=True)["token"]
    for live in (second, third):
        assert sdk.call("get_secret_value", names=["/a"], uid_token=live) == {"/a": "v"}
    sdk.call("uid_rotate_token", uid_token=second, send_manual_ack_token=third)
    assert refused(sdk.call, "get_secret_value", names=["/a"], uid_token=second).status == 401
    assert sdk.call("get_secret_value", names=["/a"], uid_token=third) == {"/a": "v"}

    child = sdk.call("uid_create_child_token", uid_token=third, child_ttl=1, comment="node1")["token"]
    assert sdk.call("describe_sub_claims", uid_token=child)["sub_claims"] == {"uid_comment": ["node1"]}
    akeyless.advance(61)
    assert refused(sdk.call, "describe_sub_claims", uid_token=child).status == 401
    akeyless.advance(600)
    assert refused(sdk.call, "uid_rotate_token", uid_token=third).status == 401


def test_tokens_end(akeyless, sdk, token):
    akeyless.add_item("/a", "v")
    assert sdk.call("validate_token", token=token)["ttl"] > 890
    akeyless.advance(901)
    error = refused(sdk.call, "get_secret_value", names=["/a"], token=token)
    assert error.status == 401 and "InvalidCredentials" in error.body
    assert refused(sdk.call, "get_secret_value", names=["/a"], token="t-unknown").status == 401
    assert refused(sdk.call, "get_secret_value", names=["/a"]).status == 401


def test_five_failed_logins_block_an_access_id_for_a_while(akeyless, sdk):
    access_id, key = akeyless.add_access_key()
    for _ in range(4):
        assert refused(sdk.log_in, access_id=access_id, access_key="wrong").status == 401
    assert sdk.log_in(access_id=access_id, access_key=key) and akeyless.failures(access_id) == 0
    for _ in range(5):
        refused(sdk.log_in, access_id=access_id, access_key="wrong")
    assert akeyless.is_blocked(access_id)
    assert refused(sdk.log_in, access_id=access_id, access_key=key).status == 429
    assert akeyless.failed_logins(access_id=access_id) == 10
    akeyless.advance(61)
    assert sdk.log_in(access_id=access_id, access_key=key)


# -- reads

def test_static_values(akeyless, sdk, token):
    akeyless.add_item("/dir/a", "one", version=3)
    akeyless.add_item("/dir/j", '{"user": "alice", "n": 1.50}', format="json")
    akeyless.add_item("/odd name/100%/ü", "tab\tnul\0line\nü")
    described = sdk.call("describe_item", name="dir/a", token=token)
    assert described["item_name"] == "/dir/a" and described["item_type"] == "STATIC_SECRET" and described["last_version"] == 3
    assert described["item_id"] > 2**53
    # The keys of the response are the requested names.
    assert sdk.call("get_secret_value", names=["dir/a", "/dir/j", "/odd name/100%/ü"], token=token) == {
        "dir/a": "one", "/dir/j": '{"user": "alice", "n": 1.50}', "/odd name/100%/ü": "tab\tnul\0line\nü"}
    akeyless.set(static_values="object")
    assert sdk.call("get_secret_value", names=["/dir/j"], token=token) == {"/dir/j": {"user": "alice", "n": 1.5}}


def test_versions(akeyless, sdk, token):
    akeyless.add_item("/a", "first")
    assert akeyless.put("/a", "second") == 2
    assert akeyless.put("/a", "second, corrected", overwrite=True) == 2
    for version, want in ((0, "second, corrected"), (1, "first"), (2, "second, corrected"),
                          (-2, {"1": "first", "2": "second, corrected"})):
        assert sdk.call("get_secret_value", names=["/a"], version=version, token=token) == {"/a": want}
    assert refused(sdk.call, "get_secret_value", names=["/a"], version=7, token=token).status == 404
    versions = sdk.call("describe_item", name="/a", show_versions=True, token=token)["item_versions"]
    assert [entry["version"] for entry in versions] == [1, 2]


@pytest.mark.parametrize("value", [
    {"username": "u", "password": "p"}, {"payload": '{"k": "v"}'}, {"target_value": {"host": "db", "port": 5432}},
    {"linked_hosts": {"db:5432": {"username": "u", "password": "p"}}},
], ids=lambda value: next(iter(value)))
def test_rotated_values(akeyless, sdk, token, value):
    akeyless.add_item("/r", value, type="ROTATED_SECRET")
    assert sdk.call("get_rotated_secret_value", names="/r", token=token) == {"value": value}
    assert sdk.call("describe_item", name="/r", token=token)["item_type"] == "ROTATED_SECRET"


def test_dynamic_values_are_minted_each_time(akeyless, sdk, token):
    akeyless.add_item("/d", type="DYNAMIC_SECRET", ttl_minutes=30)
    first, second = (sdk.call("get_dynamic_secret_value", name="/d", token=token) for _ in range(2))
    assert first["ttl_in_minutes"] == "30" and first["user"] != second["user"] and first["password"] != second["password"]
    assert akeyless.mints("/d") == 2
    assert sdk.call("describe_item", name="/d", token=token)["last_version"] == 0
    akeyless.add_item("/nested", type="DYNAMIC_SECRET", producer="azure")
    assert sdk.call("get_dynamic_secret_value", name="/nested", token=token)["secret"]["appId"] == "app-1"
    assert len(sdk.call("dynamic_secret_tmp_creds_get", name="/d", token=token)) == 2


def test_certificates_and_classic_keys(akeyless, sdk, token):
    akeyless.add_item("/c", {"certificate_pem": "CERT", "private_key_pem": "KEY"}, type="CERTIFICATE")
    reply = sdk.call("get_certificate_value", name="/c", token=token)
    assert (reply["certificate_pem"], reply["private_key_pem"]) == ("CERT", "KEY")
    akeyless.add_item("/k", {"key": "KEY"}, type="CLASSIC_KEY")
    assert sdk.call("export_classic_key", name="/k", token=token)["key"] == "KEY"


def test_pki_certificates_are_signed_for_the_key_of_the_request(akeyless, sdk, token):
    akeyless.add_item("/pki", type="PKI_CERT_ISSUER", allowed_domains=["bed.test"], max_ttl=3600)
    key = ec.generate_private_key(ec.SECP256R1())
    request = (x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.bed.test")]))
               .add_extension(x509.SubjectAlternativeName([x509.DNSName("b.bed.test")]), False).sign(key, hashes.SHA256()))
    fields = {"cert_issuer_name": "/pki", "token": token, "csr_data_base64": b64(request.public_bytes(serialization.Encoding.PEM))}
    reply = sdk.call("get_pki_certificate", **fields, ttl="10m")
    made = x509.load_pem_x509_certificate(reply["data"].encode())
    authority = x509.load_pem_x509_certificate(reply["parent_cert"].encode())
    authority.public_key().verify(made.signature, made.tbs_certificate_bytes, ec.ECDSA(made.signature_hash_algorithm))
    assert made.public_key().public_numbers() == key.public_key().public_numbers()
    assert (made.not_valid_after - made.not_valid_before).total_seconds() == 600
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["b.bed.test"]
    assert akeyless.authority("/pki") == reply["parent_cert"] and akeyless.mints("/pki") == 1
    assert sdk.call("get_pki_certificate", **fields)["data"] != reply["data"]
    assert refused(sdk.call, "get_pki_certificate", **fields, ttl="2h").status == 400
    assert refused(sdk.call, "get_pki_certificate", **fields, common_name="elsewhere.test").status == 400
    assert refused(sdk.call, "get_pki_certificate", **{**fields, "csr_data_base64": b64("no")}, common_name="a.bed.test").status == 400


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_ssh_certificates_are_what_openssh_reads(akeyless, sdk, token, tmp_path, kind):
    akeyless.add_item("/ssh", type="SSH_CERT_ISSUER", allowed_users=["ubuntu", "app"])
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / "id"], check=True)
    fields = {"cert_issuer_name": "/ssh", "public_key_data": (tmp_path / "id.pub").read_text(), "token": token}
    (tmp_path / "id-cert.pub").write_text(sdk.call("get_ssh_certificate", **fields, cert_username="ubuntu,app", ttl=600)["data"])
    (tmp_path / "ca.pub").write_text(akeyless.authority("/ssh"))

    def openssh(*arguments) -> str:
        return subprocess.run(["ssh-keygen", *arguments], check=True, capture_output=True, text=True).stdout

    shown = openssh("-L", "-f", tmp_path / "id-cert.pub")
    assert "user certificate" in shown and "ubuntu" in shown and "app" in shown and "permit-pty" in shown
    # ssh-keygen verifies the signature when it reads the certificate, and prints the signing key.
    assert openssh("-l", "-f", tmp_path / "ca.pub").split()[1] in shown
    assert refused(sdk.call, "get_ssh_certificate", **fields, cert_username="root").status == 400
    assert refused(sdk.call, "get_ssh_certificate", **{**fields, "public_key_data": "no"}, cert_username="app").status == 400


def test_list_items_pages_and_filters(akeyless, sdk, token):
    for i in range(5):
        akeyless.add_item(f"/team/app/s{i}", "v", tags=["even"] if i % 2 == 0 else ["odd"])
    akeyless.add_item("/team/r", {"username": "u"}, type="ROTATED_SECRET")
    akeyless.add_item("/other", "v")

    def names(**fields) -> list:
        return [item["item_name"] for item in sdk.call("list_items", token=token, **fields)["items"]]

    assert len(names()) == 7
    assert names(path="/team", current_folder=True) == ["/team/r"]
    assert sdk.call("list_items", token=token, path="/team")["folders"] == ["/team/app/"]
    assert names(path="/team", type=["rotated-secret"]) == ["/team/r"]
    assert names(tag="odd") == ["/team/app/s1", "/team/app/s3"]
    assert names(filter="app/s4") == ["/team/app/s4"]
    assert names(modified_after=int(time.time()) + 60) == []

    akeyless.set(page_size=3)
    seen, page = [], {}
    while True:
        reply = sdk.call("list_items", token=token, auto_pagination="disabled", **page)
        seen += [item["item_name"] for item in reply["items"]]
        if not reply["has_next"]:
            break
        page = {"pagination_token": reply["next_page"]}
    assert seen == names() and len(seen) == 7
    assert sdk.call("list_items", token=token, minimal_view=True)["items"][0].get("item_tags") is None


def test_rights_hide_whether_an_item_exists(akeyless, sdk):
    access_id, key = akeyless.add_access_key(rules=[
        ("/shop/*", "read"), ("/shop/private/*", "deny"), ("/seen/+", "list"), ("/of/{{namespace}}/*", "read")])
    for name in ("/shop/a", "/shop/private/b", "/seen/c", "/seen/deep/d", "/of/shop/e", "/elsewhere/f"):
        akeyless.add_item(name, "v")
    token = sdk.log_in(access_id=access_id, access_key=key)
    assert sdk.call("get_secret_value", names=["/shop/a"], token=token) == {"/shop/a": "v"}
    for name in ("/shop/private/b", "/seen/c", "/of/shop/e", "/elsewhere/f", "/elsewhere/absent"):
        error = refused(sdk.call, "get_secret_value", names=[name], token=token)
        assert error.status == 401 and "UnauthorizedAccess" in error.body, name
    error = refused(sdk.call, "get_secret_value", names=["/shop/absent"], token=token)
    assert error.status == 404 and "NotFound" in error.body
    listed = [item["item_name"] for item in sdk.call("list_items", token=token)["items"]]
    assert listed == ["/seen/c", "/shop/a"]
    assert sdk.call("describe_item", name="/seen/c", token=token)["client_permissions"] == ["list"]
    akeyless.set_rules(access_id, [("/elsewhere/f", "read")])
    assert sdk.call("get_secret_value", names=["/elsewhere/f"], token=token) == {"/elsewhere/f": "v"}


def test_one_missing_name_fails_the_call(akeyless, sdk, token):
    akeyless.add_item("/a", "v")
    assert refused(sdk.call, "get_secret_value", names=["/a", "/absent"], token=token).status == 404
    akeyless.set(missing_name="omit")
    assert sdk.call("get_secret_value", names=["/a", "/absent"], token=token) == {"/a": "v"}


# -- faults of a gateway

def test_the_cache_serves_old_values_until_told_otherwise(akeyless, sdk, token):
    akeyless.add_item("/a", "old")

    def read(**fields):
        return sdk.call("get_secret_value", names=["/a"], token=token, **fields)["/a"]

    akeyless.set(cache="refresh")
    assert read() == "old"
    akeyless.put("/a", "new")
    assert sdk.call("describe_item", name="/a", token=token)["last_version"] == 2
    assert [read(), read()] == ["old", "new"]

    akeyless.set(cache="frozen")
    akeyless.put("/a", "newer")
    assert [read(), read(), read(ignore_cache="true"), read()] == ["new", "new", "newer", "newer"]

    akeyless.put("/a", "newest")
    akeyless.set(saas_down=True)
    assert read(ignore_cache="true") == "newer"
    akeyless.add_item("/uncached", "v")
    assert refused(sdk.call, "get_secret_value", names=["/uncached"], token=token).status == 500
    access_id, key = akeyless.add_access_key()
    assert refused(sdk.log_in, access_id=access_id, access_key=key).status == 500


@pytest.mark.parametrize("retry_after", [None, 7])
def test_an_access_id_is_throttled_alone(akeyless, retry_after):
    akeyless.add_item("/a", "v")
    client = JsonClient(akeyless.url)
    tokens = []
    for _ in range(2):
        access_id, key = akeyless.add_access_key()
        tokens.append((access_id, client.request("POST", "/auth", {"access-id": access_id, "access-key": key}).json["token"]))
    akeyless.throttle(tokens[0][0], per_second=0.01, burst=2, retry_after=retry_after)
    replies = [client.request("POST", "/get-secret-value", {"names": ["/a"], "token": tokens[0][1]}) for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 429, 429]
    assert replies[2].headers.get("retry-after") == (str(retry_after) if retry_after else None)
    assert client.request("POST", "/get-secret-value", {"names": ["/a"], "token": tokens[1][1]}).status == 200


def test_faults(akeyless, sdk, token):
    akeyless.add_item("/a", "v" * 1000)
    akeyless.add_item("/d", type="DYNAMIC_SECRET")
    client = JsonClient(akeyless.url, timeout=1.0)

    def read():
        return client.request("POST", "/get-secret-value", {"names": ["/a"], "token": token})

    def broken() -> str:
        with pytest.raises(OSError) as caught:
            read()
        return str(caught.value)

    akeyless.fault("status", status=502, body="<html>Bad Gateway</html>", times=1)
    reply = read()
    assert reply.status == 502 and reply.headers["content-type"] == "text/html" and read().ok

    akeyless.fault("chunked", command="get-*", times=1)
    reply = read()
    assert reply.headers["transfer-encoding"] == "chunked" and reply.json == {"/a": "v" * 1000}

    for chunked in (False, True):
        akeyless.fault("cut", chunked=chunked, item="/a", times=1)
        assert "IncompleteRead" in broken()

    akeyless.fault("delay", seconds=1.5, times=1)
    assert "timed out" in broken()
    akeyless.fault("hang", times=1)
    assert "timed out" in broken()

    akeyless.fault("slow", seconds=0.4, after=1, times=1)
    assert read().ok
    began = time.monotonic()
    assert read().ok and time.monotonic() - began >= 0.4

    # The credentials are issued, although the response is lost.
    akeyless.fault("reset", command="get-dynamic-secret-value")
    with pytest.raises(ConnectionError):
        client.request("POST", "/get-dynamic-secret-value", {"name": "/d", "token": token})
    assert akeyless.mints("/d") == 1
    akeyless.heal()
    akeyless.fault("refuse", command="get-dynamic-secret-value", times=1)
    with pytest.raises(OSError):
        client.request("POST", "/get-dynamic-secret-value", {"name": "/d", "token": token})
    assert akeyless.mints("/d") == 1

    akeyless.fault("huge", bytes=5_000_000, times=1)
    assert len(read().text) > 5_000_000
    akeyless.fault("body", body='{"/a": "x", "/a": null}', times=1)
    assert read().text == '{"/a": "x", "/a": null}'
    assert akeyless.requests(0, "get-secret-value")[-1]["fault"] == "body"


def test_where_the_api_is_and_where_it_is_not(akeyless):
    akeyless.set(prefixes=["/akeyless-api/v2"], v1_prefixes=["", "/api/v1"])
    bare = JsonClient(akeyless.base)
    access_id, key = akeyless.add_access_key()
    login = {"access-id": access_id, "access-key": key}
    assert bare.request("POST", "/akeyless-api/v2/auth", login).ok
    assert "unknown command" in bare.request("POST", "/auth", login).text
    assert "unknown command" in bare.request("POST", "/api/v1/auth", login).text
    for method, path in (("POST", "/v2/auth"), ("GET", "/akeyless-api/v2/auth"), ("POST", "/akeyless-api/v2//auth"),
                         ("POST", "/akeyless-api/v2/no-such-command")):
        reply = bare.request(method, path, login if method == "POST" else None)
        assert (reply.status, reply.text) == (404, "404 page not found\n"), path
        assert reply.headers["content-type"].startswith("text/plain")
    assert bare.request("GET", "/health").ok and bare.request("GET", "/status").json == {"status": "running"}


def test_a_private_authority(tmp_path, sdk_process):
    authority = CertificateAuthority(tmp_path / "ca")
    with AkeylessGateway(tmp_path / "tls", tls=authority.issue("gateway", ips=("127.0.0.1",))) as gateway:
        access_id, key = gateway.add_access_key()
        assert AkeylessSdk(sdk_process, gateway.url, authority.cert).log_in(access_id=access_id, access_key=key)


@pytest.mark.parametrize("how, shape", [
    ("go", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC"), ("bare", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000"),
    ("rfc3339", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), ("rfc3339nano", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"),
    ("tomorrow", "tomorrow"), ("none", None)])
def test_how_the_end_of_a_token_is_told(akeyless, how, shape):
    import re

    akeyless.set(expiration=how)
    access_id, key = akeyless.add_access_key()
    told = JsonClient(akeyless.url).request("POST", "/auth", {"access-id": access_id, "access-key": key}).json.get("expiration")
    assert (told is None) if shape is None else re.fullmatch(shape, told)


# -- the recorded requests, with which the agent's are compared

def test_the_recording_names_who_asked_what(akeyless, sdk):
    access_id, key = akeyless.add_access_key()
    akeyless.add_item("/a", "v")
    token = sdk.log_in(access_id=access_id, access_key=key)
    mark = akeyless.mark()
    sdk.call("get_secret_value", names=["/a"], token=token)
    refused(sdk.log_in, access_id=access_id, access_key="wrong")
    read, login = akeyless.requests(mark)
    assert (read["command"], read["access_id"], read["status"], read["path"]) == (
        "get-secret-value", access_id, 200, "/api/v2/get-secret-value")
    assert read["body"]["names"] == ["/a"] and read["body"]["token"] == token
    assert read["headers"]["content-type"] == "application/json" and "user-agent" in read["headers"]
    assert (login["command"], login["status"]) == ("auth", 401)
    assert (akeyless.logins(), akeyless.failed_logins(), akeyless.reads(mark)) == (1, 1, 1)
    assert akeyless.counts(mark) == {"auth": 1, "get-secret-value": 1}


def test_bodies_are_the_same_but_for_defaults_and_what_is_made_anew():
    sdk = {"names": ["/a"], "token": "t-1", "json": False, "accessibility": "regular", "ignore-cache": "false"}
    assert same_body(sdk, {"names": ["/a"], "token": "t-2"}) == []
    assert same_body(sdk, {"names": "/a", "token": "t-2"}) == ["names: the SDK sends ['/a'], the agent '/a'"]
    assert same_body(sdk, {"names": ["/a"], "uid-token": "u-2"}) == [
        "token: the SDK sends 't-1', the agent None", "uid-token: the SDK sends None, the agent 'u-2'"]
    assert same_body(sdk, {"names": ["/a"], "token": "u-2"}) == ["token: the SDK sends 't-', the agent 'u-'"]
    assert same_body(sdk, {"names": ["/a"], "token": "t-2", "ignore_cache": "true"}) == [
        "ignore_cache: the SDK sends None, the agent 'true'"]


def test_cloud_ids_are_compared_by_what_stands_in_them():
    first = aws_cloud_id(*AWS_KEY)
    decoded = decoded_cloud_id(first)
    assert decoded["sts_request_url"] == "https://sts.amazonaws.com/" and decoded["scope"] == [
        AWS_KEY[0], "us-east-1", "sts", "aws4_request"]
    assert same_body({"cloud-id": first}, {"cloud-id": aws_cloud_id(*AWS_KEY)}) == []
    assert same_body({"cloud-id": first}, {"cloud-id": aws_cloud_id("AKIDANOTHER", *AWS_KEY[1:])}) != []
