"""Reading a whole metastore file that nobody has open."""

from __future__ import annotations

import os

import lmdb

from lamina.snapshots.storage._contents import Contents
from lamina.snapshots.storage._errors import translated


def read_file(path: str) -> Contents:
    """Read the contents of a file. Nothing is written, also not beside it.

    Args:
        path: The file. Nobody may change it meanwhile.

    Raises:
        NotFound: It does not exist.
        DataLoss: It is damaged, or is none of LMDB's.
    """
    size = max(os.stat(path).st_size, 1 << 20)
    with (
        translated(path),
        lmdb.open(path, subdir=False, readonly=True, lock=False, map_size=size) as environment,
        environment.begin() as transaction,
    ):
        return Contents.of(transaction.cursor())
