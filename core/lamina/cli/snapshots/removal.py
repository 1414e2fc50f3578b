"""The removal of a snapshot from any server."""

from __future__ import annotations

from typing import Final

from lamina.errdefs import Error
from lamina.snapshots import Snapshotter

_SHOWN: Final = 100
"""Characters of a key that a message shows."""


def remove(snapshotter: Snapshotter, key: str) -> None:
    """Remove a snapshot.

    Raises:
        Error: It cannot be removed. The message names it, even if the server's does not.
    """
    try:
        snapshotter.remove(key)
    except Error as error:
        shown = repr(key[:_SHOWN])[1:-1]
        if shown in str(error):
            raise
        raise type(error)(f"snapshot '{shown}': {error}") from error
