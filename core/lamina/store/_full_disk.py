"""Deletions that work on a full disk, too."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from lamina.context import current
from lamina.errdefs import DataLoss, Error, ResourceExhausted
from lamina.steps import BLOCKING, Steps

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


def remove_on_full_disk(
    remove: Callable[[], Steps[Result]], make_space: Callable[[], object], pauses: Sequence[float]
) -> Steps[Result]:
    """Delete entries and return the result, freeing space if the disk is full.

    Args:
        remove: Returns the steps that delete them.
        make_space: Releases the reserve for a full disk: a removal itself takes some space.
        pauses: Seconds before each further attempt: btrfs frees space late.

    Raises:
        ResourceExhausted: The disk is still full after that.
        Exception: As the steps of `remove`.
    """
    has_failed = False
    for pause in pauses:
        try:
            return (yield from remove())
        except ResourceExhausted:
            pass
        except DataLoss:
            # LMDB reports a short write as EIO (mdb_page_flush in mdb.c), and the disk may have had space again
            # when that was looked at. What failed is not stored, so a removal can be repeated.
            if has_failed:
                raise
            has_failed = True
        yield BLOCKING
        time.sleep(pause)
        current().check()
        try:
            make_space()
        except (Error, OSError) as error:
            _log.warning("could not make space for a removal", exc_info=error)
    return (yield from remove())
