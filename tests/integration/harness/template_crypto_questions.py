"""Templates to ask both Nodekeep and Go: dates, YAML, URLs, versions, passwords, keys and certificates."""

import base64
import datetime
import ipaddress
import json
from collections.abc import Iterator
from itertools import cycle, product

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

# Questions whose outcome differs on purpose: template -> why.
ON_PURPOSE: dict[str, str] = {
    '{{ fromYaml "~: v" }}': "Go's text repeats the key and the value, which may be secret",
    '{{ fromYaml "18446744073709551615: v" }}': "Go's text repeats the key and the value, which may be secret",
    '{{ fromYaml "{}: v" }}': "a map as a key is an error; Go drops the entry",
    '{{ fromYaml "[]: v" }}': "a list as a key is an error at once",
    '{{ fromYaml "[1, a]: v" }}': "Go's text repeats the key, which may be secret",
    '{{ fromYaml "{b: 1}: v" }}': "Go's text repeats the key, which may be secret",
    '{{ fromYaml "? [1]\\n: 2" }}': "Go's text repeats the key, which may be secret",
    '{{ fromYaml "[a: 1" }}': "the text of the strict YAML reader, which gives no line where it is 1",
    '{{ fromYaml "a: *n" }}': "Go's text repeats the anchor's name",
    '{{ toYaml "\\u0085x" }}': "Go takes U+0085 for a line break of the YAML and loses it",
    '{{ toYaml (dict "\\u0085x" 1) }}': "Go takes U+0085 for a line break of the YAML and gives no text",
    '{{ toYaml "\\u2028" }}': "libyaml indents behind a line break at the end; a reader drops the blanks",
    '{{ toYaml "\\ufeffa" }}': "Go escapes every character of a text that begins with U+FEFF",
}

# A function call is a tuple (name, arguments...), a method's name starts with a dot and its receiver is the first argument.
Call = tuple


def expression(value, data: dict[str, str]) -> str:
    """A value as the template writes it; texts become data."""
    if isinstance(value, tuple):
        name, *arguments = value
        written = [expression(argument, data) for argument in arguments]
        if name.startswith("."):
            return "(" + " ".join([written[0] + name, *written[1:]]) + ")"
        return "(" + " ".join([name, *written]) + ")"
    if isinstance(value, list):
        return expression(("list", *value), data)
    if isinstance(value, dict):
        return expression(("dict", *[part for item in value.items() for part in item]), data)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nil"
    if isinstance(value, int | float):
        return str(value)
    key = f"k{len(data)}"
    data[key] = value
    return "." + key


def question(call: Call, *, texts_differ: bool = False) -> dict:
    data: dict[str, str] = {}
    asked = {"template": f"{{{{ {expression(call, data)[1:-1]} }}}}", "data": data}
    return {**asked, "texts_differ": True} if texts_differ else asked


LAYOUTS = [
    "2006-01-02", "2006-01-02T15:04:05Z07:00", "Jan 2 2006", "January _2, 2006 3:04PM", "Mon Monday 02 Jan 06 15:04 MST",
    "002 __2 2006", "03:04:05.000 pm", "15:04:05.999999999 -0700", "Z070000 -07:00:00 -07 Z0700 Z07", "2006-1-2 3:4:5,999",
    "_2006 Janx Mond", "1/2/06 .00 .0a .99", "06-01-02 15", "20060102150405", "2006 -070000", "15h04m 05.000000000000", "3PM", "",
    "x", "__2006", "2 Jan 2006 15:04:05 GMT-0700 (MST)", "02 2",
]  # fmt: skip
SECONDS = [0, 1700000000, -1, 1709164799, -62135596800, -62167219201, 253402300800, 951782400, 4102444800, 1234567890, -99999999999]
ZONES = [
    "UTC", "", "Local", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/St_Johns", "nope", "../etc", "/etc", "Asia/Tokyo",
    "Australia/Lord_Howe", "EST5EDT", "Etc/GMT+12", "America/Sao_Paulo", "Africa/Monrovia",
]  # fmt: skip
DATES = [
    "2026-03-01", "2026-02-30", "2024-02-29", "2026-13-01", "2026-3-1", "2026-03-01T10:20:30Z", "2026-03-01T10:20:30.5+02:00",
    "2026-03-01T10:20:30-25:00", "Mar 3 2026", "MAR 03 2026", "March  7, 2026 3:04AM", "March 7, 2026 12:04AM",
    "Wed Wednesday 03 Mar 26 15:04 CET", "Wed Wednesday 03 Mar 70 15:04 UTC", "060 060 2024", "366  60 2023", "03:04:05.123 am",
    "13:04:05.123 am", "15:04:05 +0130", "15:04:05.123456789123 -0700", "15:04:05.1 -0000", "2026-3-1 3:4:5,7", "20260301102030", "x", "",
    'é"\\\n', "2 Jan 2026 15:04:05 GMT+0200 (CEST)", "2 Jan 2026 15:04:05 GMT-0200 (GMT+3)", "9PM", "9pm", "25PM", " 1/2/26 .12 .0a .9",
    "26-01-02 24", "2026-03-01 trailing", "15h04m 05.000000000000", "1/2/26 .12 .0a", "-1-01-02 03",
]  # fmt: skip
DURATIONS = [
    "1h", "-1h30m", "1.5h", "100ms", "1us", "1µs", "1μs", "", "x", "1", "1x", "-", "+5s", ".5s", ".s", "1h1", "9223372036854775807ns",
    "9223372036854775808ns", "-9223372036854775808ns", "2562047h47m16.854775807s", "2562047h48m", "1e3s", "0", "0.0000000001s", "3y",
    "25h", "744h", "8760h", "8761h", "720h1s", "1m", "61s", "59s", "1s", "1.9s", "12345.6789s", "é",
]  # fmt: skip
METHODS = "Year Month Day Hour Minute Second Nanosecond Weekday YearDay Unix UnixMilli UnixMicro UnixNano UTC Local IsZero IsDST String"
INSTANTS = ["2024-01-31T10:20:30.123456789+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-11:30", "1969-12-31T23:59:59.5Z"]
RFC3339 = "2006-01-02T15:04:05Z07:00"
INSTANT = ("toDate", RFC3339, INSTANTS[0])
YEAR_ONE = ("toDate", "2006-01-02", "0001-01-01")


def date_calls() -> Iterator[Call]:
    zones = cycle(ZONES)
    for layout, seconds in product(LAYOUTS, SECONDS):
        yield ("dateInZone", layout, seconds, next(zones))
    for zone, seconds in product(ZONES, SECONDS[:4]):
        yield ("date_in_zone", "2006-01-02 15:04:05 -0700 MST", seconds, zone)
    for layout, text in product(LAYOUTS, DATES):
        yield ("mustToDate", layout, text)
    for layout, text in product(LAYOUTS[:8], DATES[:12]):
        yield (".String", ("toDate", layout, text))
    for text in DURATIONS:
        yield ("durationRound", text)
        yield ("mustDateModify", text, INSTANT)
        yield (".String", ("dateModify", text, INSTANT))
    for count in ["0", "1", "-1", "3600", "86399", "9" * 20, "-" + "9" * 20, "9223372036854775807", "1.5", "", "+7", "1_0", 5, True]:
        yield ("duration", count)
    for count in (0, 1, 1000000000, 3600000000001, -7200000000001):
        yield ("durationRound", ("int64", count))
        yield ("duration", ("int64", count))
    yield from [("unixEpoch", INSTANT), ("htmlDate", 1700000000), ("htmlDate", INSTANT), ("date", "2006", ("int64", 5))]
    yield from [("htmlDateInZone", 1700000000, "Asia/Tokyo"), ("htmlDateInZone", INSTANT, "Nope")]


def method_calls() -> Iterator[Call]:
    for method, text in product(METHODS.split(), INSTANTS):
        yield ("." + method, ("toDate", RFC3339, text))
    for change in [(0, 1, 0), (1, 0, 0), (0, 0, -31), (0, -13, 400), (-3000, 5, 5), (0, 25, 1)]:
        yield (".String", (".AddDate", INSTANT, *change))
    for amount, method in product([1000, 1000000000, 60000000000, 3600000000000, 86400000000000, 7, 0, -5], ("Truncate", "Round", "Add")):
        yield (".String", ("." + method, INSTANT, amount))
        yield (".String", ("." + method, ("toDate", "2006", "0000"), amount))
    for method in ("Sub", "Before", "After", "Equal", "Compare"):
        yield from [("." + method, INSTANT, INSTANT), ("." + method, INSTANT, YEAR_ONE), ("." + method, YEAR_ONE, INSTANT)]
    difference = (".Sub", INSTANT, ("toDate", "2006-01-02", "2024-01-30"))
    for method in ("Hours", "Minutes", "Seconds", "Milliseconds", "Microseconds", "Nanoseconds", "String", "Abs"):
        yield ("." + method, difference)
    for amount in (1000000000, 3600000000000, 7, 0):
        yield from [(".Round", difference, amount), (".Truncate", difference, amount)]


YAML_SCALARS = [
    "y", "n", "yes", "No", "ON", "off", "true", "False", "", "0644", "0x1F", "1_000", "0b11", "0o17", "08", "09.5",
    "1e3", "1E+3", "1.", "1.5e-7", ".5", "+.5", "-.inf", ".Inf", ".nan", "+1", "-0", "12:30:45", "2026-01-02", "2026-1-2T3:4:5Z",
    "2026-01-02 03:04:05", "18446744073709551616", "-9223372036854775808", "-9223372036854775809", "3.14159265",
    "123456789.125", "1000000.0", "'q'", '"d\\n"', "abc", "a b", "<<", "=", "0x", "0xZZ", "1__0", "_1", "1e400", "!!str 5", "!!int '7'",
    "!!binary aGk=", "!!float 3", "-0b11", "+0x10", "0.0001", "0.00001", "1234567", "99999.5", "é", "|\n  x\n  y", "tr ue", "Y ",
    "1e21", "+12e03", "685_230.15", "190:20:30", "2026-13-45",
]  # fmt: skip
YAML_DOCUMENTS = [
    "a: 1\na: 2", "a: 1\n---\nb: 2", "---\n", "a: &x {b: 1}\nc: *x", "a: &x {b: 1}\nc: {<<: *x, d: 2}", "<<: {a: 2}\na: 1",
    "a: 1\n<<: {a: 2}", "a: 1\n<<: [{a: 2, b: 3},{a: 4, b: 5, c: 6}]", "a:\n\t- b", "a: b: c", "a: 'x",
    "# c", "a: 1\n...\njunk: [", "true: 1\ny: 2", "k: {}", "k: [1, a]", "k: ~", "k: 18446744073709551615", "a: {b: {c: [1,{d: e}]}}", "{a: 1, b}", "a: |+\n  x\n\n", "a: >\n  x\n  y\n",
    'a: "x\\u0041\\x41\\U0001F600"', "%YAML 1.1\n---\na: 1", "%YAML 2.0\n---\na: 1", "a: @b", "a: `b", "a: 1\r\nb: 2\r\n",
    "-1: a\n1.5: b\n1e10: d", "a: !foo 5", "a: ? b", "\x01",
]  # fmt: skip
YAML_TEXTS = [
    "a", "hello world", "x: y", "# c", " lead", "trail ", "a#b", "a #b", "-", "- a", "?", "? a", "{", "[a", "]", "&a", "*a", "!a", "|", ">",
    "%a", "@a", "`a", "'a'", '"a"', "a'b", 'a"b', "a\\b", "line\nbreak", "line\nbreak\n", "\n", "\n\n", "a\n\n", "  a\n b", "\ta", "a\tb",
    "a\r\nb", "é", "日本", "😀", "\u00a0nb", "\ufeff", "\x07", "", "y", "12", "1.5", "0x10", "1:30", "12:30:45",
    "2026-01-02", "=", "<<", "~", "null", "a, b", "a:b", "a:", "a: ", ":", "::", ",", "lorem ipsum " * 12, "x" * 200,
    "word " * 3 + "y" * 90, "a\n" + "b c " * 40, "---", "...", "--- a", "a\n---\nb", " \n", "x\n  ", "  x\n", "a: #", "0", "-0", "--", "-1a",
    "+", "1_0", "0b2", "1e", "<a&b>",
]  # fmt: skip
YAML_VALUES = [
    0, -5, 9223372036854775807, 1.5, 1e6, 1234567.5, 1e21, 2e19, 1e-5, True, None, [], {}, [[]], [{}], {"a": []}, [[1, [2]], {"b": [3]}],
    {"x10": 1, "x9": 2, "B": 4, "a": 5, "_k": 6, "10": 7, "9": 8, "k.1": 9, "ключ": 0}, [{"a": 1, "b": [None, True]}, "c"],
    {"k" * 126: 1}, {"k" * 129: 1}, {"é" * 130: 1}, {"<" * 175: 1},
]  # fmt: skip


def yaml_calls() -> Iterator[Call]:
    for text in YAML_SCALARS:
        yield ("fromYaml", "k: " + text)
        yield ("toYaml", ("fromYaml", "k: " + text))
        yield ("toYaml", ("fromYaml", text + ": v")) if "\n" not in text else ("fromYaml", text)
    for text in YAML_DOCUMENTS:
        yield ("toYaml", ("fromYaml", text))
    for text in YAML_TEXTS:
        yield from [("toYaml", text), ("toYaml", {"k": text}), ("toYaml", [text]), ("toYaml", {"k": [[text]]})]
        yield ("toYaml", ("dict", text, 1))
    for value in YAML_VALUES:
        yield ("toYaml", value)


URLS = [
    "https://user:p%40ss@example.com:8443/a/b?c=d&e#frag", "http://a", "//host/path", "/path", "path", "", "*", "mailto:a@b", "a:b", "1:b",
    ":x", "http://[::1]:80/x", "http://[::1", "http://[fe80::1%25en0]:1/", "http://[1.2.3.4]/", "http://a:b/", "http://a:80:90/",
    "http://a b/", "http://a/ b", "http://a/%zz", "http://a/%41%2f", "http://%41/", "http://%e4/", "http://a?", "http://a??x", "HTTP://A/B",
    "http://a#", "http://a#%41 b", "http://a#%", "x\x7f", "a\nb", "http://u@h", "http://u:@h", "http://:p@h", "http://u%20x:y z@h",
    "http://@h", "http://a@b@c", "///x", "file:///etc/x", "http:/x", "http:x?y", "http://h/?a=b?c", "http://h\\x", "http://<h>",
    "http://é.de/ü?ü#ü", "http://h:", "http://h:0", "a/b:c", "./a:b", "http://a[::1]/", "+x:y", "é:x", "http://h/a%20b c", "?q", "#f",
]  # fmt: skip
URL_PARTS = [
    {"scheme": "https", "host": "h", "path": "/a b"}, {"scheme": "https", "host": "h", "path": "a"}, {"path": "a:b"}, {"host": "h"},
    {"scheme": "x"}, {"userinfo": "u:p@", "host": "h", "scheme": "s"}, {"userinfo": "u p"}, {"opaque": "o", "scheme": "s", "host": "h"},
    {"query": "a=b", "fragment": "f f"}, {"path": "/x?y#z"}, {"host": "[::1]:8"}, {"host": "a b/c"}, {"path": 5}, {"path": []},
]  # fmt: skip
VERSIONS = [
    "1.2.3", "v1.2.3", "1.2", "1", "v1", "1.2.3-beta", "1.2.3-beta.1+meta", "1.2.3+m", "01.2.3", "1.02.3", "1.2.3-01", "1.2.3-0",
    "1.2.3-a.b.01x", "", "x", "1.2.3.4", "v", "1.2.3-", "9" * 20 + ".1.1", "1.18446744073709551616.0", "1.2.3-beta_1", " 1.2.3", "0.0.0",
    "0.0.1", "0.2.3", "2.0.0", "11.1.0", "12.0.0-rc.1", "1.4.5", "1.10.0", "V1.2",
]  # fmt: skip
CONSTRAINTS = [
    "1.2.3", "=1.2.3", "!=1.2.3", ">1.2", "<1.2", ">=1.2.x", "<=1.2", "<=1", "=>1.2", "=<1.3", ">1", "~1.2.3", "~1.2", "~1", "~>1.2",
    "^1.2.3", "^1.2", "^1", "^0.2.3", "^0.0.3", "^0", "*", "x", "", "1.x", "1.2.*", ">= 1.2, < 3.0.0", "1.2 - 1.4.5", ">=1.0 <2 || >=3",
    "~1.2-beta", "!=1.x", "foo", "1.2.3.4", ">", "1.2.3 1.3.0", "1.2 ||", "|| 1.2", ">=1.2-0", ">1.2.3-alpha", "1|2", "^*",
]  # fmt: skip


def url_and_version_calls() -> Iterator[Call]:
    for url in URLS:
        yield from [("urlParse", url), ("urlJoin", ("urlParse", url))]
    for parts in URL_PARTS:
        yield ("urlJoin", parts)
    for version in VERSIONS:
        yield ("semver", version)
        for field in ("Major", "Minor", "Patch", "Prerelease", "Metadata", "Original", "String", "IncPatch"):
            yield ("." + field, ("semver", version))
    for constraint, version in product(CONSTRAINTS, VERSIONS[::2]):
        yield ("semverCompare", constraint, version)
    for left, right in product(["1.2.3-beta", "1.2.3-beta.11", "1.2.3-1.a", "1.2.3+z", "1.3.0"], ["1.2.3", "1.2.3-beta.2", "1.2.3-1"]):
        for method in ("Compare", "LessThan", "GreaterThan", "Equal"):
            yield ("." + method, ("semver", left), ("semver", right))


def password_calls() -> Iterator[Call]:
    for password in ("secret", "päss", ""):
        yield from [("htpasswd", "us:er", password, "sha"), ("htpasswd", "user", password, "sha")]
        for kind in ("maximum", "long", "medium", "short", "basic", "pin", "zz"):
            yield ("derivePassword", 1, kind, password, "user", "example.com")
    yield from [("derivePassword", 7, "long", "a", "ü", "s"), ("derivePassword", -1, "pin", "a", "b", "c")]
    yield from [("bcrypt", "x" * 73), ("htpasswd", "u", "x" * 73, "bcrypt"), ("regexMatch", r"^\$2a\$10\$[./0-9A-Za-z]{53}$", ("bcrypt", "x" * 72))]
    yield ("regexMatch", r"^u:\$2a\$10\$[./0-9A-Za-z]{53}$", ("htpasswd", "u", "p", "bcrypt"))
    for text, password in product(("", "a", "x" * 16, "y" * 31, "é" * 50), ("", "pw", "p" * 32, "q" * 40)):
        yield ("decryptAES", password, ("encryptAES", password, text))
    for size in (0, 16, 20, 32, 48):
        yield ("decryptAES", "pw", base64.b64encode(b"x" * size).decode())
    yield from [("decryptAES", "pw", text) for text in ("a", "%%%", "YWJj", "QUJD\n")]
    yield from [("len", ("encryptAES", "p", "text")), ("encryptAES", "p", ""), ("len", ("randBytes", 32)), ("randBytes", 0), ("randBytes", -1)]
    yield ("genPrivateKey", "zz")
    for kind in ("ecdsa", "ed25519"):
        yield ("regexFind", "BEGIN [A-Z ]+", ("genPrivateKey", kind))


def pem_of(key, form: str) -> str:
    forms = {"pkcs8": serialization.PrivateFormat.PKCS8, "traditional": serialization.PrivateFormat.TraditionalOpenSSL}
    return key.private_bytes(serialization.Encoding.PEM, forms[form], serialization.NoEncryption()).decode()


def certificate(name: str, key, issuer: tuple | None, *extensions, identifiers: bool = True) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer_name = (issuer[1], issuer[0].subject) if issuer else (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(1000 + len(name))
        .not_valid_before(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC))
    )
    if identifiers:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEYS = {"P-256": ec.generate_private_key(ec.SECP256R1()), "P-384": ec.generate_private_key(ec.SECP384R1()), "P-521": ec.generate_private_key(ec.SECP521R1())}
EC_KEY = EC_KEYS["P-256"]
ED_KEY = ed25519.Ed25519PrivateKey.generate()
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
ROOT = certificate("root", RSA_KEY, None, AUTHORITY)
INTERMEDIATE = certificate("intermediate", EC_KEYS["P-384"], (ROOT, RSA_KEY), AUTHORITY)
LEAF = certificate(
    "leaf.example",
    EC_KEY,
    (INTERMEDIATE, EC_KEYS["P-384"]),
    x509.SubjectAlternativeName(
        [
            x509.DNSName("leaf.example"),
            x509.RFC822Name("who@example.com"),
            x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
            x509.DNSName("*.leaf.example"),
            x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
            x509.UniformResourceIdentifier("spiffe://example/ns/a?b=c"),
        ]
    ),
)
CERTIFICATES = {
    "leaf": LEAF,
    "intermediate": INTERMEDIATE,
    "root": ROOT,
    "other": certificate("other", ED_KEY, None),
    "bare": certificate("bare", EC_KEYS["P-521"], None, identifiers=False),
}
PEMS = {name: made.public_bytes(serialization.Encoding.PEM).decode() for name, made in CERTIFICATES.items()}
KEYS = {
    "rsa-traditional": pem_of(RSA_KEY, "traditional"),
    "rsa": pem_of(RSA_KEY, "pkcs8"),
    "ec-traditional": pem_of(EC_KEY, "traditional"),
    "ec": pem_of(EC_KEY, "pkcs8"),
    "p384": pem_of(EC_KEYS["P-384"], "pkcs8"),
    "p521": pem_of(EC_KEYS["P-521"], "traditional"),
    "ed25519": pem_of(ED_KEY, "pkcs8"),
    "k256": pem_of(ec.generate_private_key(ec.SECP256K1()), "pkcs8"),
    "dsa": pem_of(dsa.generate_private_key(1024), "pkcs8"),
}
CHAINS = [
    "leaf", "root", "other", "bare", "intermediate", "leaf+intermediate+root", "root+leaf+intermediate", "intermediate+leaf", "leaf+other",
    "bare+leaf", "root+intermediate", "leaf+leaf", "bare+bare", "bare+root",
]  # fmt: skip


def chain(names: str, separator: str = "") -> str:
    return separator.join(PEMS[name] if name in PEMS else KEYS[name] for name in names.split("+"))


def pkcs12_files() -> Iterator[tuple[str, str]]:
    """Base64 of files that Python's cryptography writes, with their passwords."""
    old = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
    )
    for key, others, password in product((RSA_KEY, EC_KEY, ED_KEY), ([], [ROOT, INTERMEDIATE]), ("secret", "p\u00e4ss")):
        for form in (serialization.BestAvailableEncryption(password.encode()), old.build(password.encode())):
            yield base64.b64encode(file_of(key, others, form)).decode(), password
    yield base64.b64encode(file_of(RSA_KEY, [INTERMEDIATE], serialization.NoEncryption())).decode(), ""
    best = serialization.BestAvailableEncryption(b"secret")
    yield base64.b64encode(pkcs12.serialize_key_and_certificates(None, EC_KEY, None, None, best)).decode(), "secret"
    yield base64.b64encode(pkcs12.serialize_key_and_certificates(None, None, ROOT, [LEAF], best)).decode(), "secret"
    yield base64.b64encode(pkcs12.serialize_key_and_certificates(None, EC_KEY, None, [ROOT], best)).decode(), "secret"


def file_of(key, others: list, form) -> bytes:
    matching = {RSA_KEY: ROOT, EC_KEY: LEAF, ED_KEY: CERTIFICATES["other"]}[key]
    return pkcs12.serialize_key_and_certificates(b"name", key, matching, [other for other in others if other is not matching], form)


def file_calls() -> Iterator[Call]:
    for file, password in pkcs12_files():
        for tried in (password, "wrong", ""):
            yield ("pkcs12keyPass", tried, ("b64dec", file))
            yield ("pkcs12certPass", tried, ("b64dec", file))
    for key, names, password in product(KEYS, ("leaf", "leaf+intermediate+root"), ("", "p\u00e4ss")):
        yield ("pkcs12keyPass", password, ("b64dec", ("pemToPkcs12Pass", chain(names), KEYS[key], password)))
        yield ("pkcs12certPass", password, ("b64dec", ("fullPemToPkcs12Pass", chain(names), KEYS[key], password)))
    yield ("pkcs12key", ("b64dec", ("pemToPkcs12", PEMS["leaf"], KEYS["ec"])))
    yield ("pkcs12cert", ("b64dec", ("fullPemToPkcs12", chain("root+leaf+intermediate"), KEYS["ec"])))
    # A file of trusted certificates holds no key.
    yield ("pkcs12cert", ("b64dec", ("pemTruststoreToPKCS12", PEMS["root"])))
    yield ("pkcs12certPass", "a", ("b64dec", ("pemTruststoreToPKCS12Pass", chain("root+other"), "a")))
    yield from [("pemToPkcs12", "", ""), ("fullPemToPkcs12", "", ""), ("fullPemToPkcs12", PEMS["leaf"] + "\n", KEYS["ec"])]
    yield from [("pemToPkcs12", PEMS["leaf"], "x"), ("pemTruststoreToPKCS12", "x"), ("pemToPkcs12", PEMS["leaf"], PEMS["leaf"])]


def pem_calls() -> Iterator[Call]:
    for which, names in product(("leaf", "intermediate", "root", "x"), CHAINS):
        yield ("filterCertChain", which, chain(names, "\n"))
    yield from [("filterCertChain", "leaf", ""), ("filterCertChain", "leaf", "x"), ("certSANs", ""), ("certSANs", "x")]
    for name in PEMS:
        yield ("certSANs", PEMS[name])
        yield ("join", ",", ("certSANs", PEMS[name]))
    for kind, names in product(("certificate", "PRIVATE KEY", "x", "EC private KEY"), ("leaf+ec", "ec-traditional+ec", "leaf")):
        yield ("filterPEM", kind, chain(names))
        yield ("filterPEM", kind, "junk\n" + chain(names) + "junk")
    block = "-----BEGIN A-----\nB: 2\nProc-Type: 4\nA: x\n\nYWJj\n-----END A-----\n"
    for text in ("", "x", "\n", block, block.replace("\n", "\r\n"), " " + block, block.replace("YWJj", "YW=Jj"), block.replace("YWJj\n", ""), block * 2 + "x"):
        yield ("filterPEM", "a", text)


def certificate_calls() -> Iterator[Call]:
    b64 = {name: base64.b64encode(text.encode()).decode() for name, text in {**PEMS, **KEYS}.items()}
    yield from [("buildCustomCert", "%", "a"), ("buildCustomCert", "YQ==", "%"), ("buildCustomCert", "YQ==", "YQ==")]
    for key in KEYS:
        if key in ("k256", "dsa"):
            continue
        yield (".Cert", ("buildCustomCert", b64["leaf"], b64[key]))
        yield (".Key", ("buildCustomCert", b64["leaf"], b64[key]))
    for key in ("rsa", "rsa-traditional", "ec", "ec-traditional", "ed25519"):
        yield (".Key", ("genCAWithKey", "cn", 3, KEYS[key]))
        yield (".Key", ("genSelfSignedCertWithKey", "cn", [], [], 3, KEYS[key]))
    authority = ("genCAWithKey", "Test CA", 365, KEYS["rsa"])
    signed = ("genSignedCertWithKey", "leaf.example", ["10.0.0.1", "::1"], ["a.example", "b.example"], 30, authority, KEYS["ec"])
    yield from [("certSANs", (".Cert", signed)), ("filterPEM", "certificate", (".Key", signed))]
    for addresses, names in ((["nope"], []), ([5], []), ([], [5]), (None, None)):
        yield (".Key", ("genSelfSignedCertWithKey", "c", addresses, names, 3, KEYS["ec"]))


def unknown_key_calls() -> Iterator[Call]:
    """Kinds of key that Go does not know: its text tells more of their structure."""
    leaf = base64.b64encode(PEMS["leaf"].encode()).decode()
    for key in ("k256", "dsa"):
        yield ("buildCustomCert", leaf, base64.b64encode(KEYS[key].encode()).decode())


def decryption_calls() -> Iterator[Call]:
    for name, algorithm in (("SHA1", hashes.SHA1()), ("SHA256", hashes.SHA256()), ("SHA512", hashes.SHA512())):
        form = padding.OAEP(padding.MGF1(algorithm), algorithm, None)
        encrypted = base64.b64encode(RSA_KEY.public_key().encrypt(b"hello " + name.encode(), form)).decode()
        for tried, key in product(("SHA1", "SHA256", "SHA512", "None", ""), ("rsa", "rsa-traditional", "ec")):
            yield ("rsaDecrypt", "RSA-OAEP", tried, ("b64dec", encrypted), KEYS[key])
    yield from [("rsaDecrypt", "None", "", "abc", "x"), ("rsaDecrypt", "rsa-oaep", "", "abc", "x"), ("rsaDecrypt", "RSA-OAEP", "", "abc", "x")]
    yield from [("rsaDecrypt", "RSA-OAEP", "", text, KEYS["rsa"]) for text in ("abc", "")]
    yield ("rsaDecrypt", "RSA-OAEP", "", "abc", PEMS["leaf"])


def b64url(data: bytes | int, size: int = 0) -> str:
    if isinstance(data, int):
        data = data.to_bytes(size or (data.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def json_web_keys() -> Iterator[dict]:
    private = RSA_KEY.private_numbers()
    public = {"kty": "RSA", "n": b64url(private.public_numbers.n), "e": b64url(private.public_numbers.e)}
    primes = {"p": b64url(private.p), "q": b64url(private.q)}
    derived = {"dp": b64url(private.dmp1), "dq": b64url(private.dmq1), "qi": b64url(private.iqmp)}
    whole = {**public, "d": b64url(private.d), **primes}
    yield from [public, {**whole, **derived}, whole, {**public, "kid": "x", "use": "sig", "alg": "RS256"}]
    yield from [{"kty": "RSA", "n": public["n"]}, {"kty": "RSA", "e": public["e"]}]
    for (curve, key), size in zip(EC_KEYS.items(), (32, 48, 66), strict=True):
        numbers = key.private_numbers()
        point = numbers.public_numbers
        public = {"kty": "EC", "crv": curve, "x": b64url(point.x, size), "y": b64url(point.y, size)}
        yield from [public, {**public, "d": b64url(numbers.private_value, size)}, {**public, "crv": "P-999"}, {**public, "y": b64url(point.y ^ 1, size)}]
        yield {"kty": "EC", "crv": curve, "x": public["x"]}
    raw = serialization.Encoding.Raw
    x = ED_KEY.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    d = ED_KEY.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = {"kty": "OKP", "crv": "Ed25519", "x": b64url(x)}
    yield from [public, {**public, "d": b64url(d)}, {**public, "x": public["x"] + "AA"}]
    yield from [{"kty": "oct", "k": "YWJj"}, {"kty": "zz"}, {}, {"keys": [public]}]


def jwk_calls() -> Iterator[Call]:
    for key, name in product(json_web_keys(), ("jwkPublicKeyPem", "jwkPrivateKeyPem")):
        yield (name, json.dumps(key))
    for text in ("", "x", "[]", "null", '{"kty":1}'):
        yield ("jwkPublicKeyPem", text)


def rich_questions() -> Iterator[dict]:
    """{"template": ..., "data": ...}; "texts_differ" where the text of an error is our own on purpose."""
    for calls in (date_calls, method_calls, url_and_version_calls, password_calls, file_calls, pem_calls, certificate_calls, decryption_calls):
        for call in calls():
            yield question(call)
    for call in yaml_calls():
        yield question(call)
    for call in (*jwk_calls(), *unknown_key_calls()):
        yield question(call, texts_differ=True)
    for arguments in ('"u" "p" .alg', '"u" "p" "sha"', '"u" "p" 5', '"u" "p" nil', '"u" "p" ("sha")', '"u" "p"'):
        yield {"template": f"{{{{ htpasswd {arguments} }}}}", "data": {"alg": "sha"}}
    yield {"template": '{{ "sha" | htpasswd "u" "p" }}', "data": {}}
    for template in ON_PURPOSE:
        yield {"template": template, "data": {}}
