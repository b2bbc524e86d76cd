"""Certificates made with the openssl command."""

import dataclasses
import pathlib
import subprocess


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both PEM files."""
    cert: pathlib.Path
    key: pathlib.Path


def _openssl(*arguments) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class CertificateAuthority:
    """A certificate authority with its files below `directory`."""

    def __init__(self, directory: pathlib.Path, common_name: str = "test bed CA"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.cert = directory / "ca.crt"
        self.key = directory / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30,
                 "-subj", f"/CN={common_name}", "-keyout", self.key, "-out", self.cert,
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")

    @property
    def pem(self) -> str:
        return self.cert.read_text()

    def issue(self, common_name: str, *, organization: str | None = None, dns: tuple = (), ips: tuple = (), days: int = 30,
              name: str | None = None) -> Certificate:
        """A certificate valid for server and client authentication. `name`: of the files; default: the common name."""
        stem = (name or common_name).replace(":", "-").replace("/", "-")
        made = Certificate(self.directory / f"{stem}.crt", self.directory / f"{stem}.key")
        request = self.directory / f"{stem}.csr"
        extensions = self.directory / f"{stem}.ext"
        alternatives = [f"DNS:{entry}" for entry in dns] + [f"IP:{entry}" for entry in ips]
        extensions.write_text("\n".join([
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature,keyEncipherment",
            "extendedKeyUsage=serverAuth,clientAuth",
            *([f"subjectAltName={','.join(alternatives)}"] if alternatives else []),
        ]) + "\n")
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject,
                 "-keyout", made.key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", days,
                 "-extfile", extensions, "-out", made.cert)
        request.unlink()
        extensions.unlink()
        return made


@dataclasses.dataclass(frozen=True)
class SigningKey:
    """An RSA key pair for signing service-account tokens, both PEM files."""
    private: pathlib.Path
    public: pathlib.Path


def signing_key(directory: pathlib.Path, name: str) -> SigningKey:
    directory.mkdir(parents=True, exist_ok=True)
    key = SigningKey(directory / f"{name}.key", directory / f"{name}.pub")
    _openssl("genrsa", "-out", key.private, 2048)
    _openssl("rsa", "-in", key.private, "-pubout", "-out", key.public)
    return key
