"""Standard streams that were closed when the process started, or that may lose what is written to them."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def open_standard_streams() -> None:
    """Open closed standard streams on /dev/null, and make the others reliable.

    Otherwise the next file opened, such as a database, would receive the output of a closed stream. Standard
    output is opened for reading, so that a command that writes to it fails, as GNU's tools do.

    With PYTHONUNBUFFERED, Python writes to standard output once and forgets what did not fit, for example on a
    full disk; a buffer writes the rest or fails. A message that cannot be written to standard error changes
    neither what a command does nor its exit code.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        if not _is_open(descriptor):
            os.set_inheritable(os.open(os.devnull, mode), True)  # the lowest one that is free
    # Python sets streams that were closed at start to None.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False, encoding="utf-8")
    elif isinstance(sys.stdout.buffer, io.RawIOBase):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = os.fdopen(1, "w", closefd=False, encoding=encoding, errors=errors)
    encoding = "utf-8" if sys.stderr is None else sys.stderr.encoding
    sys.stderr = io.TextIOWrapper(
        _Messages(2, "w", closefd=False), encoding, "backslashreplace", write_through=True
    )


class _Messages(io.FileIO):
    """Standard error without a buffer. What cannot be written is dropped, since it can be reported nowhere."""

    def write(self, data: ReadableBuffer, /) -> int:
        rest = memoryview(data)
        with contextlib.suppress(OSError):
            # A signal may interrupt a write after a part; nothing is written where one would block.
            while rest and (written := super().write(rest)):
                rest = rest[written:]
        return len(memoryview(data))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
