"""Issuers that sign real certificates. Spec members of a PKI_CERT_ISSUER: allowed_domains, max_ttl (seconds), common_name;
of an SSH_CERT_ISSUER: allowed_users, max_ttl."""

import base64
import datetime
import os
import struct

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from refused import bad_request

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_USAGES = {"serverauth": ExtendedKeyUsageOID.SERVER_AUTH, "clientauth": ExtendedKeyUsageOID.CLIENT_AUTH,
           "codesigning": ExtendedKeyUsageOID.CODE_SIGNING}
_PEM = serialization.Encoding.PEM


def seconds_of(ttl, longest: int) -> int:
    """Parses a number of seconds, or a number with a unit ("90s", "2h"); absent and 0 mean the issuer's maximum, `longest`."""
    text = str(ttl or "").strip()
    if text in ("", "0"):
        return longest
    number, unit = (text[:-1], text[-1]) if text[-1] in _UNITS else (text, "s")
    if not number.isdigit():
        raise bad_request(f"ttl {text!r} is not a duration")
    wanted = int(number) * _UNITS[unit]
    if wanted > longest:
        raise bad_request(f"ttl {text} is above the issuer's maximum of {longest} s")
    return wanted


class PkiIssuer:
    def __init__(self, spec: dict, now: float):
        self._spec = spec
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec.get("common_name", "gateway issuer"))])
        self._certificate = self._signed(
            name, self._key.public_key(), name, now, 10 * 365 * 86400, [
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), False)])

    def _signed(self, subject, public, issuer, now: float, seconds: int, extensions: list) -> x509.Certificate:
        start = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc)
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(start)
                   .not_valid_after(start + datetime.timedelta(seconds=seconds)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())

    @property
    def authority(self) -> str:
        """The issuer's own certificate, which clients trust."""
        return self._certificate.public_bytes(_PEM).decode()

    def issue(self, body: dict, now: float) -> str:
        """Issues a certificate for a CSR (csr-data-base64) or a key (key-data-base64). Fields of the call override the CSR's."""
        request, public = _csr_and_key(body)
        name = body.get("common-name") or (_common_name(request) if request else None)
        if not name:
            raise bad_request("missing required parameter: common-name")
        dns = [entry.strip() for entry in (body.get("alt-names") or "").split(",") if entry.strip()]
        uris = [entry.strip() for entry in (body.get("uri-sans") or "").split(",") if entry.strip()]
        if request and not dns and not uris:
            dns, uris = _alternatives(request)
        for entry in [name, *dns]:
            self._check_domain(entry)
        usages = [entry for entry in (body.get("extended-key-usage") or "serverauth,clientauth").replace(" ", "").split(",")]
        if not set(usages) <= set(_USAGES):
            raise bad_request(f"extended-key-usage {body['extended-key-usage']}")
        extensions = [(x509.BasicConstraints(ca=False, path_length=None), True),
                      (x509.ExtendedKeyUsage([_USAGES[usage] for usage in usages]), False),
                      (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)]
        if dns or uris:
            extensions.append((x509.SubjectAlternativeName(
                [x509.DNSName(entry) for entry in dns] + [x509.UniformResourceIdentifier(entry) for entry in uris]), False))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        seconds = seconds_of(body.get("ttl"), self._spec.get("max_ttl", 90 * 86400))
        made = self._signed(subject, public, self._certificate.subject, now, seconds, extensions)
        return made.public_bytes(_PEM).decode()

    def _check_domain(self, name: str) -> None:
        allowed = self._spec.get("allowed_domains")
        if allowed is not None and not any(name == domain or name.endswith("." + domain) for domain in allowed):
            raise bad_request(f"the issuer does not allow the name {name}")


def _csr_and_key(body: dict):
    """The CSR, if there is one, and the public key to certify."""
    try:
        if body.get("csr-data-base64"):
            text = base64.b64decode(body["csr-data-base64"], validate=True)
            request = (x509.load_pem_x509_csr if text.startswith(b"-----") else x509.load_der_x509_csr)(text)
            if not request.is_signature_valid:
                raise bad_request("the certificate request is not signed by its key")
            return request, request.public_key()
        if body.get("key-data-base64"):
            text = base64.b64decode(body["key-data-base64"], validate=True)
            if b"PRIVATE KEY" in text:
                return None, serialization.load_pem_private_key(text, None).public_key()
            return None, serialization.load_pem_public_key(text)
    except ValueError as error:
        raise bad_request(f"the certificate request or key cannot be read: {error}") from None
    raise bad_request("missing required parameter: csr-data-base64 or key-data-base64")


def _common_name(request) -> str | None:
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return names[0].value if names else None


def _alternatives(request) -> tuple[list, list]:
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    return names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.UniformResourceIdentifier)


class SshIssuer:
    """OpenSSH user certificates (PROTOCOL.certkeys), signed by an Ed25519 key."""

    def __init__(self, spec: dict, now: float):
        self._spec = spec
        self._key = ed25519.Ed25519PrivateKey.generate()
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self._public = _string(b"ssh-ed25519") + _string(raw)
        self._serial = 0

    @property
    def authority(self) -> str:
        """The authority's key in the format of sshd's TrustedUserCAKeys."""
        return "ssh-ed25519 " + base64.b64encode(self._public).decode()

    def issue(self, body: dict, now: float) -> str:
        user = body.get("cert-username") or "-"
        allowed = self._spec.get("allowed_users")
        if allowed is not None and not set(user.split(",")) <= set(allowed):
            raise bad_request(f"the issuer does not allow the user {user}")
        try:
            kind, encoded = (body.get("public-key-data") or "").split()[:2]
            blob = base64.b64decode(encoded, validate=True)
            length = struct.unpack(">I", blob[:4])[0]
        except (ValueError, struct.error):
            raise bad_request("public-key-data is not an OpenSSH public key") from None
        if kind not in ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384") or blob[4:4 + length] != kind.encode():
            raise bad_request(f"public-key-data is a key of type {kind}")
        self._serial += 1
        certified = f"{kind}-cert-v01@openssh.com"
        ends = int(now) + seconds_of(body.get("ttl"), self._spec.get("max_ttl", 3600))
        unsigned = b"".join([
            _string(certified.encode()), _string(os.urandom(32)), blob[4 + length:], struct.pack(">QI", self._serial, 1),
            _string(f"gateway-{self._serial}".encode()),
            _string(b"".join(_string(name.encode()) for name in user.split(","))),
            struct.pack(">QQ", int(now), ends), _string(b""),
            _string(b"".join(_string(name) + _string(b"") for name in (b"permit-port-forwarding", b"permit-pty"))),
            _string(b""), _string(self._public)])
        signature = _string(b"ssh-ed25519") + _string(self._key.sign(unsigned))
        return f"{certified} {base64.b64encode(unsigned + _string(signature)).decode()}"


def _string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
