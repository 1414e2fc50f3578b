"""The expiry of images and leases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

_LABEL: Final = "containerd.io/gc.expire"
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
"""A time in the form of RFC 3339."""


def expiry(labels: Mapping[str, str]) -> float | None:
    """Return when an image or a lease expires, in seconds since 1970; None: never, or unreadable."""
    found = _TIME.fullmatch(labels.get(_LABEL, ""))
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    return moment.timestamp() + float(fraction or 0)


def is_expired(labels: Mapping[str, str], now: float) -> bool:
    """Return whether an image or a lease has expired.

    Args:
        labels: Its labels.
        now: The time, in seconds since 1970.
    """
    moment = expiry(labels)
    return moment is not None and moment < now
