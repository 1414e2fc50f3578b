"""Parsing of addresses."""

from __future__ import annotations

from lamina.errdefs import InvalidArgument


def host_and_port(address: str) -> tuple[str, int]:
    """Return the host and the port of an address.

    Args:
        address: `host:port`, an IPv6 host in brackets. An empty host means all addresses of this machine, as in
            Go; port 0 a free one.

    Raises:
        InvalidArgument: The address is malformed.
    """
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise InvalidArgument(f"{address!r}: expected host:port, such as 127.0.0.1:1338")
    if ":" in host and not bracketed:
        raise InvalidArgument(f"{address!r}: expected an IPv6 address in brackets, such as [::1]:1338")
    return host[1:-1] if bracketed else host, int(port)
