"""Results with the version of the snapshots that they show."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.mount import Mount


class Versioned(abc.ABC):
    """An optional addition to the contract: results with a version, which a service may give to later callers.

    As long as `version` returns the version of a result, another call would have the same result.
    """

    @abc.abstractmethod
    def version(self) -> object:
        """Return the present version, without waiting and within microseconds; None if that is impossible.

        Every change that a call could see makes another version, which is never used again.
        """

    @abc.abstractmethod
    def versioned_stat_message(self, key: str) -> tuple[bytes, object]:
        """Return the result of `InfoMessages.stat_message`, and its version; None if it may change without one."""

    @abc.abstractmethod
    def versioned_mounts(self, key: str) -> tuple[list[Mount], object]:
        """Return the result of `Snapshotter.mounts`, and its version; None if it may change without one."""
