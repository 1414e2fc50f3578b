"""URLs of registries, whose queries may be secrets."""

from __future__ import annotations

import ipaddress
import urllib.parse
from typing import Final, Self

import attrs
import urllib3.exceptions
import urllib3.util

from lamina.errdefs import InvalidArgument

_PORTS: Final = {"http": 80, "https": 443}
_MAX_URL: Final = 16384
"""Characters of the longest URL that is followed; signed ones have about 2,000."""


@attrs.frozen
class Origin:
    """The scheme, host and port of a URL: credentials never leave them."""

    scheme: str
    host: str
    """Without the brackets of an IPv6 address."""
    port: int

    @property
    def is_loopback(self) -> bool:
        """True if the host is a loopback address, or `localhost`. Names are not looked up."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return (address.version == 4 and address.is_loopback) or address == ipaddress.IPv6Address("::1")

    @property
    def is_plain_loopback(self) -> bool:
        """True if it is a loopback address without TLS."""
        return self.scheme == "http" and self.is_loopback

    @property
    def authority(self) -> str:
        """The host with its port."""
        return f"{self._bracketed}:{self.port}"

    @property
    def host_header(self) -> str:
        """The header `Host` of requests."""
        return self._bracketed if self.port == _PORTS[self.scheme] else self.authority

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_header}"


@attrs.frozen
class URL:
    """An absolute URL of HTTP. Its query stays out of messages: that of a signed URL is a secret."""

    origin: Origin
    path: str
    query: str = attrs.field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an absolute URL; a user name and a fragment are dropped.

        Raises:
            InvalidArgument: It is not an absolute URL of http or https. The message does not repeat it.
        """
        if len(text) > _MAX_URL or not text.isprintable():
            raise InvalidArgument("the URL is too long, or has characters that URLs cannot have")
        try:
            found = urllib3.util.parse_url(text)
        except (urllib3.exceptions.LocationParseError, ValueError):
            raise InvalidArgument("the URL is malformed") from None
        if found.scheme not in _PORTS or not found.host:
            raise InvalidArgument("the URL is not one of http or https")
        port = found.port if found.port is not None else _PORTS[found.scheme]
        host = found.host.removeprefix("[").removesuffix("]").lower()
        return cls(Origin(found.scheme, host, port), found.path or "/", found.query or "")

    def join(self, location: str) -> Self:
        """Return the URL that a `Location` header means, which may be relative to this one.

        Raises:
            InvalidArgument: It is malformed. The message does not repeat it.
        """
        try:
            joined = urllib.parse.urljoin(f"{self.origin}{self.target}", location)
        except ValueError:
            raise InvalidArgument("the URL is malformed") from None
        return self.parse(joined)

    def with_parameter(self, name: str, value: str) -> Self:
        """Return the URL with one more parameter at the end of its query."""
        parameter = f"{name}={urllib.parse.quote(value, safe='')}"
        return attrs.evolve(self, query=f"{self.query}&{parameter}" if self.query else parameter)

    @property
    def target(self) -> str:
        """The target of a request: the path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"
