"""Notifications to the service manager: sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

import logging
import os
import socket

_log = logging.getLogger(__name__)


def sd_notify(*assignments: str) -> None:
    """Notify the service manager whose socket NOTIFY_SOCKET names, if it is set.

    Args:
        assignments: Lines such as `READY=1` or `STATUS=...`.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address[0] not in "/@":
        _log.warning("cannot notify the service manager", extra={"error": f"unsupported NOTIFY_SOCKET: {address}"})
        return
    message = "\n".join(assignments).encode()
    # The name of an abstract socket begins with a NUL, written as "@": unix(7), sd_notify(3).
    name = b"\0" + os.fsencode(address[1:]) if address[0] == "@" else os.fsencode(address)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
            notifier.connect(name)
            notifier.sendall(message)
    except OSError as error:
        _log.warning("cannot notify the service manager", extra={"error": str(error), "address": address})


def watchdog_seconds() -> float | None:
    """Return the watchdog timeout of the service manager in seconds, or None if there is no watchdog.

    If WATCHDOG_PID is set, WATCHDOG_USEC applies to the process with that pid alone.
    """
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not microseconds.isascii() or not microseconds.isdigit() or int(microseconds) == 0:
        _log.warning("no watchdog", extra={"error": f"WATCHDOG_USEC is not a positive integer: {microseconds}"})
        return None
    return int(microseconds) / 1e6
