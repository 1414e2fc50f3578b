"""Standard streams that were closed when the process started."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Open closed standard streams on /dev/null.

    Otherwise the next file opened, such as a database, would receive the output of a stream.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python sets streams that were closed at start to None.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False, encoding="utf-8")
