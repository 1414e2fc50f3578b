"""The class `Session`: what the repositories of one registry share."""

from __future__ import annotations

import os
import ssl
import threading
from typing import Final

from lamina.errdefs import InvalidArgument
from lamina.registry._access import Access, Limits
from lamina.registry.authentication import Authorizer
from lamina.registry.http import URL, Client, Proxies

_HUB: Final = "registry-1.docker.io"
"""The host of the registry `docker.io`."""


class Session:
    """The connections to one registry, and the authorizers of its repositories. Any thread may use it."""

    def __init__(self, host: str, access: Access) -> None:
        """Create a session without a connection.

        Args:
            host: The registry, as in names of images: a name or an address, and a port.
            access: The settings with which to reach it.

        Raises:
            InvalidArgument: The host is malformed.
        """
        self.host = host
        self.limits: Limits = access.limits
        self.base = base_url(host, access)
        self.client = Client(
            _context(access),
            Proxies(os.environ),
            connect_seconds=access.limits.connect,
            stall_seconds=access.limits.stall,
            plain_http=access.plain_http,
        )
        self._credentials = access.credentials
        self._authorizers: dict[str, Authorizer] = {}
        self._lock = threading.Lock()

    def authorizer(self, path: str) -> Authorizer:
        """Return the authorizer of a repository."""
        with self._lock:
            if path not in self._authorizers:
                name = f"{self.host}/{path}"
                self._authorizers[path] = Authorizer(self.host, name, self.client, self._credentials)
            return self._authorizers[path]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def base_url(host: str, access: Access) -> URL:
    """Return the URL below which a registry answers.

    Args:
        host: The registry, as in names of images.
        access: Says whether to use plain HTTP.

    Raises:
        InvalidArgument: It is not a host with an optional port.
    """
    try:
        url = URL.parse(f"https://{_HUB if host == 'docker.io' else host}/v2/")
    except InvalidArgument:
        raise InvalidArgument(f"registry {host[:80]!r}: expected a host, and perhaps a port") from None
    if url.path != "/v2/" or url.query or "@" in host:
        raise InvalidArgument(f"registry {host[:80]!r}: expected a host, and perhaps a port")
    if access.plain_http or (url.origin.is_loopback and not access.ca_certificates):
        return URL.parse(str(url).replace("https://", "http://", 1))
    return url


def _context(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if access.ca_certificates:
        context.load_verify_locations(cadata=access.ca_certificates)
    return context
