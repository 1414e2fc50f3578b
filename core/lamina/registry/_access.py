"""The settings with which a program reaches a registry."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Final, TypeAlias

import attrs

from lamina.errdefs import InvalidArgument
from lamina.registry.credentials import Credentials

CredentialSource: TypeAlias = Callable[[str], Credentials | None]
"""Returns the credentials for a repository, by its full name: `quay.io/team/web`; None to stay anonymous."""

_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----[\x00-\x7f]+?-----END CERTIFICATE-----")


@attrs.frozen
class Limits:
    """Limits of the time that a registry may take, and of its failures. Times are in seconds."""

    connect: float = 10.0
    """For a connection, TLS included."""
    stall: float = 30.0
    """Without progress, while an answer or its body is awaited or data is sent."""
    answer: float = 600.0
    """For the answer that an upload is complete, which the registry may copy and verify first."""
    attempts: int = 5
    """Attempts at a request that fails for a temporary reason, without progress in between."""
    pause: float = 0.5
    """Before the second attempt; doubled before each further one, and shortened at random by up to a half."""
    longest_pause: float = 60.0
    """The longest wait that a registry may ask for with `Retry-After`."""


def _anonymous(_repository: str) -> Credentials | None:
    return None


def _certificates(text: str) -> str:
    """Return the certificates of a file in PEM format without its comments, which OpenSSL takes only in ASCII."""
    found = "\n".join(_CERTIFICATE.findall(text))
    try:
        if text:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except (ssl.SSLError, ValueError):  # ValueError: no certificate
        raise InvalidArgument("it has no certificates in PEM format, or malformed ones") from None
    return found


@attrs.frozen
class Access:
    """Settings with which a registry is reached. InvalidArgument is raised for malformed certificates."""

    credentials: CredentialSource = attrs.field(default=_anonymous, repr=False)
    """Asked once for each repository, when the registry demands credentials."""
    ca_certificates: str = attrs.field(default="", repr=False, converter=_certificates)
    """Certificates in PEM format that are trusted beside the system's."""
    plain_http: bool = False
    """Use HTTP without TLS. A loopback address gets plain HTTP without being told, unless there are
    `ca_certificates`."""
    limits: Limits = Limits()
