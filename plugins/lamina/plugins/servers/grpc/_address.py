"""Paths of sockets."""

from __future__ import annotations

import os
from typing import Final

from lamina.errdefs import InvalidArgument

MAX_PATH: Final = 104
"""Bytes in the path of a socket: containerd's limit, the smallest `sun_path` of the systems that it runs on."""


def socket_path(address: str) -> str:
    """Return the path in an address, which may begin with `unix://`.

    Raises:
        InvalidArgument: No unix socket can have the path.
    """
    path = address.removeprefix("unix://")
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument(f"{path!r}: expected the absolute path of a unix socket")
    length = len(os.fsencode(path))
    if length > MAX_PATH:
        raise InvalidArgument(
            f"{path!r}: the path of a socket can have {MAX_PATH} bytes, and this one has {length}"
        )
    return path
