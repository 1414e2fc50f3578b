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
    """The collection of what nothing refers to."""

    grace: Duration = attrs.field(default=Duration(60), validator=_check_duration)
    """Time since its creation or its last change of labels before which nothing is removed."""
    interval: Duration = attrs.field(default=Duration(0), validator=_check_duration)
    """Time between two collections; 0s: only when a client asks for one."""
