"""HTTP proxies, which the environment names as for Go's `net/http` (`golang.org/x/net/http/httpproxy`)."""

from __future__ import annotations

import base64
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from typing import Final, TypeAlias

import attrs
import urllib3.exceptions
import urllib3.util

from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.registry.http._url import URL, Origin

_VARIABLES: Final = {"http": ("HTTP_PROXY", "http_proxy"), "https": ("HTTPS_PROXY", "https_proxy")}
_NO_PROXY: Final = ("NO_PROXY", "no_proxy")
_CGI: Final = "REQUEST_METHOD"
"""Set for a CGI program, whose HTTP_PROXY is the header `Proxy` of the request (CVE-2016-5385)."""
_HAS_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


@attrs.frozen
class Proxy:
    """A proxy that passes requests on."""

    origin: Origin
    authorization: str = attrs.field(default="", repr=False)
    """The header `Proxy-Authorization`; "" for none."""
    variable: str = ""
    """The variable that names it, for messages."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that are for the proxy alone."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}

    def denial(self, subject: str) -> str:
        """Return the message that the proxy demands credentials."""
        if self.authorization:
            return f"{subject}: it refuses the credentials: correct those in {self.variable}"
        return f"{subject}: put credentials into {self.variable}, as http://USER:PASSWORD@{self.origin.authority}"

    def __str__(self) -> str:
        return f"proxy {self.origin} of {self.variable}"


@attrs.frozen
class Proxies:
    """Knows which requests go through which proxy."""

    _environment: Mapping[str, str] = attrs.field(repr=False)

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """Return the proxy through which a server is reached; None if it is reached directly.

        Args:
            origin: The server. A loopback address is always reached directly.

        Raises:
            FailedPrecondition: The variable does not name an HTTP proxy.
        """
        variable = self._variable(_VARIABLES[origin.scheme])
        if variable is None or origin.is_loopback or self._is_excluded(origin):
            return None
        return _parse(variable, self._environment[variable])

    def _variable(self, names: tuple[str, str]) -> str | None:
        for name in names:
            if self._environment.get(name) and not (name == "HTTP_PROXY" and _CGI in self._environment):
                return name
        return None

    def _is_excluded(self, origin: Origin) -> bool:
        variable = self._variable(_NO_PROXY)
        entries = re.split(r"[,\s]+", self._environment[variable].lower()) if variable else ()
        return any(_matches(entry, origin) for entry in entries if entry)


def _parse(variable: str, text: str) -> Proxy:
    text = text if _HAS_SCHEME.match(text) else f"http://{text}"
    try:
        url = URL.parse(text)
        userinfo = urllib3.util.parse_url(text).auth
    except (InvalidArgument, urllib3.exceptions.LocationParseError):
        raise FailedPrecondition(
            f"{variable} in the environment: expected an HTTP proxy, as http://proxy.example.com:3128"
        ) from None
    if userinfo is None:
        return Proxy(url.origin, variable=variable)
    username, _, password = userinfo.partition(":")
    pair = b":".join(map(urllib.parse.unquote_to_bytes, (username, password)))
    return Proxy(url.origin, f"Basic {base64.b64encode(pair).decode()}", variable)


def _matches(entry: str, origin: Origin) -> bool:
    """Return whether an entry of NO_PROXY means a server."""
    address = _address(origin.host)
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    host, port = _host_and_port(entry)
    if port not in ("", str(origin.port)):
        return False
    if address is not None:
        return _address(host) == address
    domain = host.removeprefix("*")
    return origin.host.endswith(domain if domain.startswith(".") else f".{domain}") or origin.host == domain


def _host_and_port(entry: str) -> tuple[str, str]:
    if _address(entry):  # of version 6, without brackets
        return entry, ""
    host, _, port = entry.rpartition(":") if re.search(r":[0-9]+$", entry) else (entry, "", "")
    return host.removeprefix("[").removesuffix("]"), port


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _is_in(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
