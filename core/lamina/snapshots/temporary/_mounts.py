"""The mounts of any snapshot, for the duration of a block."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lamina.context import current, use
from lamina.errdefs import Aborted, Error, NotFound
from lamina.snapshots._contract import Kind, Snapshotter
from lamina.snapshots.temporary._owner import DIFF, LABEL, Owner

if TYPE_CHECKING:
    from lamina.mount import Mount

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def temporary_mounts(snapshotter: Snapshotter, key: str, owner: Owner) -> Iterator[list[Mount]]:
    """Yield the mounts of a snapshot of any kind; a committed one gets a view, which is removed afterwards.

    Args:
        snapshotter: Has the snapshot.
        key: Its key or name; "" yields no mounts, as of an empty tree.
        owner: The owner of the view.

    Raises:
        NotFound: There is no such snapshot, or it is gone at the end of the block.
        Aborted: Another snapshot has the key at the end of the block.
    """
    if not key:
        yield []
        return
    info = snapshotter.stat(key)
    if info.kind is not Kind.COMMITTED:
        yield snapshotter.mounts(key)
        if snapshotter.stat(key).created != info.created:  # its files may have been removed while they were read
            raise Aborted(f"snapshot {key!r} was replaced while it was in use; try again")
        return
    view = new_key(DIFF, key)
    owner.begin(view)
    try:
        yield snapshotter.view(view, key, {LABEL: owner.label})
    finally:
        discard(snapshotter, view, owner)


def new_key(prefix: str, name: str) -> str:
    """Return a new key for a temporary snapshot, in the form of containerd (`UnpackKeyFormat`).

    Args:
        prefix: `DIFF` or `EXTRACT`.
        name: The name of the committed snapshot that it is for.
    """
    word = urlsafe_b64encode(os.urandom(3)).decode()
    return f"{prefix}{time.time_ns() % 1_000_000_000}-{word} {name}"


def discard(snapshotter: Snapshotter, key: str, owner: Owner) -> None:
    """Remove a temporary snapshot, even if the current call has ended.

    A failure is logged: `remove_leftovers` tries again.
    """
    try:
        with use(current().detached()):
            snapshotter.remove(key)
    except NotFound:
        pass  # it was never made, or is committed, and only the answer was lost
    except Error as error:
        _log.warning("could not remove a temporary snapshot", exc_info=error, extra={"key": key})
    finally:
        owner.end(key)
