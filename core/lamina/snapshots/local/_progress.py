"""The last transaction of a metastore that its data root knows of."""

from __future__ import annotations

import os
from typing import Final

from lamina.fs import SecureDirectory, opened
from lamina.snapshots.storage import SnapshotterStore

TRANSACTION: Final = "transaction"
"""The name of the file."""
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGITS: Final = 20
"""Digits of the largest number of 64 bits: every content has the same size, so that it is overwritten in place."""


class Progress:
    """The file `transaction` of a data root: the UUID of its metastore, its openings, and its last transaction.

    Only a copy of the metastore made before can be behind it. It is never synced, so a power cut leaves an earlier
    content at worst.
    """

    def __init__(self, root: SecureDirectory, store: SnapshotterStore) -> None:
        """Write nothing yet.

        Args:
            root: The data root. The caller closes it after this.
            store: The metastore.
        """
        self._root = root
        self._store = store

    def write(self) -> None:
        """Write what is durable in the metastore now. After a failed commit that is unknown, and not written.

        Raises:
            OSError: The file cannot be written.
            Unavailable: The metastore is closed.
        """
        progress = self._store.progress()
        if progress is not None:
            content = " ".join([self._store.uuid, *(str(number).zfill(_DIGITS) for number in progress)])
            with opened(TRANSACTION, _FLAGS, 0o600, dir_fd=self._root.fd) as fd:
                os.pwrite(fd, f"{content}\n".encode(), 0)


def read_progress(root: SecureDirectory, uuid: str) -> tuple[int, int]:
    """Return the openings and the last transaction of a metastore that a data root knows of.

    Returns:
        Zeros if the file is missing, damaged, or about another metastore.

    Raises:
        FailedPrecondition, OSError: As `SecureDirectory.read`.
    """
    owner, *numbers = (root.read(TRANSACTION) or b"").decode("ascii", "replace").split() or [""]
    if owner != uuid or len(numbers) != 2 or not all(map(str.isdecimal, numbers)):
        return 0, 0
    return int(numbers[0]), int(numbers[1])
