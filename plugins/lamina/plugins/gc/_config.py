"""The configuration class of the collector."""

from __future__ import annotations

import attrs

from lamina.duration import Duration
from lamina.errdefs import InvalidArgument


def _check_duration(_: object, __: object, duration: Duration) -> None:
    if duration < 0:
        raise InvalidArgument(f"expected a non-negative duration, found {duration}")


@attrs.frozen(eq=False, repr=False)
class SchedulerConfig:
    """The collection of blobs, snapshots and expired images and leases to which nothing refers."""

    grace: Duration = attrs.field(default=Duration(60), validator=_check_duration)
    """Minimum time between the creation or last change of labels of a thing and its removal."""
    interval: Duration = attrs.field(default=Duration(0), validator=_check_duration)
    """Time between two collections; 0s: only when a client asks for one."""
