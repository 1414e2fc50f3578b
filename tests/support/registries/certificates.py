"""Keys and certificates, made with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

import attrs

from tests.support.commands import run


@attrs.frozen
class Certificate:
    """A certificate in PEM format, and its key."""

    file: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.file.read_text()

    def sign(self, data: bytes) -> bytes:
        """A signature with RSA and SHA-256."""
        command = ("openssl", "dgst", "-sha256", "-sign", self.key)
        return subprocess.run(command, input=data, capture_output=True, check=True).stdout


PEM = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCAR2gAwIBAgIUIqQjz839zcVcuGYzdIhGzPzKFCUwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MB4XDTI2MTEyODA0MzEzOVoXDTI2MTEzMDA0MzEz
OVowETEPMA0GA1UEAwwGbm9ib2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
pzRycplw4ACkyn6JiaMqN1iA6HY3rkHEQ3kmBIoAPOrkLEZbfprdVN6LwMOdq2Im
kLiSXNzDCj66/wy5s4Vrc6NTMFEwHQYDVR0OBBYEFJWKBYCpnnhi09Ol83TViy2v
sSDqMB8GA1UdIwQYMBaAFJWKBYCpnnhi09Ol83TViy2vsSDqMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgIqI74IqRO0Z0racfTcPxb6RBpzCZ2NyG
LNPl0YW97jMCIF63AKSEg2QLTRqXxO0cBbMccSw82Xt2/clzR7npJo36
-----END CERTIFICATE-----"""
"""A certificate that no test trusts, and outdated: for tests that connect to nothing."""

_ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
"""Made in no time."""


def authority(directory: Path, name: str = "authority") -> Certificate:
    """A certificate that signs itself."""
    return _made(directory, name, *_ELLIPTIC, "-addext", "basicConstraints=critical,CA:TRUE")


def signing_certificate(directory: Path) -> Certificate:
    """A certificate that signs itself, for `Certificate.sign`."""
    return _made(directory, "signing", "rsa:2048", "-addext", "basicConstraints=critical,CA:TRUE")


def certificate_for(directory: Path, issuer: Certificate, *names: str, name: str = "server") -> Certificate:
    """A certificate of a server, for names as `DNS:localhost` and `IP:127.0.0.1`."""
    return _made(
        directory,
        name,
        *_ELLIPTIC,
        *("-CA", issuer.file, "-CAkey", issuer.key),
        *("-addext", f"subjectAltName={','.join(names)}", "-addext", "basicConstraints=critical,CA:FALSE"),
    )


def _made(directory: Path, name: str, *options: str | Path) -> Certificate:
    made = Certificate(directory / f"{name}.pem", directory / f"{name}.key")
    run(
        *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", f"/CN={name}"),
        *("-keyout", made.key, "-out", made.file, "-newkey", *options),
    )
    return made
