"""Report the kernel's messages about file systems."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from typing import Final

from lamina.diagnosis._process import AS_ROOT, moment
from lamina.diagnosis._remedies import mount_remedy
from lamina.fs import opened
from lamina.plugin import Finding

_LOG: Final = "/dev/kmsg"
_WARNING: Final = 4  # syslog(2): lower numbers are more severe
_ABOUT: Final = re.compile(r"overlayfs|overlay:|BTRFS|EXT4-fs|XFS|I/O error|SQUASHFS|erofs|FAT-fs|nfs:")
_OF_NO_USE: Final = re.compile(r"/dev/null/layer|/probe-\w+/|callbacks suppressed|does not support tmpfile")
"""Matches messages that indicate no fault: about lamina's own probes, rate limits and features that overlay can do
without."""
_DAY: Final = 24 * 3600.0
_RECORD: Final = 8192
_SHOWN: Final = 3


def kernel_log() -> Iterator[Finding]:
    """Report kernel messages of the last day about failures of mounts and file systems."""
    check = "messages"
    try:
        found = _messages()
    except FileNotFoundError:
        yield Finding.unknown(check, f"there is no {_LOG} here", "on the machine itself: dmesg -T | tail")
        return
    except PermissionError:
        found_out = f"{_LOG}: reading it requires CAP_SYSLOG (sysctl kernel.dmesg_restrict)"
        yield Finding.unknown(check, found_out, AS_ROOT)
        return
    if not found:
        yield Finding.ok(check, "no failure of a mount or file system in the last 24 hours")
    for text, seconds in list(found.items())[-_SHOWN:]:
        yield Finding.warning(check, f"{moment(seconds)}: {text}", mount_remedy(text))


def _messages() -> dict[str, float]:
    """Return the warnings and errors about file systems that lamina's own probes did not cause.

    Returns:
        The times when they were logged last, in seconds since 1970, by their texts.
    """
    last: dict[str, float] = {}
    for severity, microseconds, text in _records():
        # The log's clock stops while the machine sleeps, and so does this one.
        age = time.monotonic() - microseconds / 1e6
        if severity <= _WARNING and age < _DAY and _ABOUT.search(text) and not _OF_NO_USE.search(text):
            last.pop(text, None)
            last[text] = time.time() - age
    return last


def _records() -> Iterator[tuple[int, int, str]]:
    """Yield severity, microseconds since boot and text of all messages (Documentation/ABI/testing/dev-kmsg)."""
    with opened(_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC) as log:
        while True:
            try:
                record = os.read(log, _RECORD).decode(errors="replace")
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:  # overwritten meanwhile: the next read continues after it
                    raise
                continue
            prefix, _, rest = record.partition(";")
            priority, _, microseconds = prefix.split(",")[:3]
            yield int(priority) & 7, int(microseconds), rest.partition("\n")[0]
