"""The standard streams, which nobody has to leave open."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Open those that are closed on /dev/null.

    Else the next file to be opened, a database perhaps, would take the place of one, and its output.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    # Python has None for those that were closed when it started.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False, encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False, encoding="utf-8")
