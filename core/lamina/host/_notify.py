"""What the host tells its service manager: sd_notify(3), sd_watchdog_enabled(3)."""

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


def watchdog_seconds() -> float | None:
    """How long the service manager waits for `WATCHDOG=1` before it takes this process for dead; None: for ever.

    The variables of the environment are for the process with the pid in WATCHDOG_PID alone, if that is set.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not microseconds.isascii() or not microseconds.isdigit() or int(microseconds) == 0:
        _log.warning("no watchdog", extra={"error": f"WATCHDOG_USEC is no number of microseconds: {microseconds}"})
        return None
    return int(microseconds) / 1e6
