"""What the host tells its service manager: sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger(__name__)


def sd_notify(*assignments: str) -> None:
    """Tell the service manager, if there is one, that is, if NOTIFY_SOCKET names its socket.

    Args:
        assignments: Such as `READY=1` or `STATUS=...`, each on one line.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address[0] not in "/@":
        _log.warning("cannot notify the service manager", extra={"error": f"unknown kind of address: {address}"})
        return
    message = "\n".join(assignments).encode()
    # An abstract socket's name begins with a NUL, written as "@": unix(7), sd_notify(3).
    name = b"\0" + os.fsencode(address[1:]) if address[0] == "@" else os.fsencode(address)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
            notifier.connect(name)
            notifier.sendall(message)
    except OSError as error:
        _log.warning("cannot notify the service manager", extra={"error": str(error), "address": address})
