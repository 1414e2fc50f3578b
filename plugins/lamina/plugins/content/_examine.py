"""The files of blobs, as `lamina doctor` examines them."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shlex
import stat
from collections.abc import Iterator
from typing import Final

from lamina.content.local import BLOB_MODE, BLOBS
from lamina.fs import exposure_of, set_mode
from lamina.plugin import Finding, Repair

_CHECK: Final = "blobs"
_NAME: Final = re.compile(r"[0-9a-f]{64}")


def examine_blobs(root: str) -> Iterator[Finding]:
    """Yield the problems of names, types and modes of the files, or the number of files if there are none.

    Args:
        root: The directory of the content store, which need not exist.
    """
    directory = os.path.join(root, BLOBS)
    if not os.path.isdir(directory):
        yield Finding.ok(_CHECK, f"{root} has no blobs yet")
        return
    files = list(_files(directory))
    found = [*_exposed(directory), *itertools.chain.from_iterable(_examined(*file) for file in files)]
    yield from found
    if not found:
        size = sum(status.st_size for _, status in files)
        blobs = "1 blob" if len(files) == 1 else f"{len(files):,} blobs"
        yield Finding.ok(_CHECK, f"{blobs} of {size / 2**20:,.1f} MiB; lamina content verify reads them")


def _files(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the path and the status of each entry."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                yield entry.path, entry.stat(follow_symlinks=False)


def _exposed(directory: str) -> Iterator[Finding]:
    exposure = exposure_of(directory)
    if exposure:
        found = f"{exposure.found}, who could tamper with trusted files"
        yield Finding.problem("modes and owners", found, exposure.remedy)


def _examined(path: str, status: os.stat_result) -> Iterator[Finding]:
    quoted, name = shlex.quote(path), os.path.basename(path)
    if not _NAME.fullmatch(name) or not stat.S_ISREG(status.st_mode):
        found = f"{path} is not a blob: lamina makes only files there, named by SHA-256 digests"
        yield Finding.warning(_CHECK, found, f"find out who made it, then rm -r {quoted}")
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode != BLOB_MODE:
        found = f"{path} has mode {mode:04o} instead of {BLOB_MODE:04o}: did a program change it?"
        repair = Repair(
            f"set mode {BLOB_MODE:04o}", functools.partial(set_mode, path, BLOB_MODE), beside_host=True
        )
        remedy = f"lamina content verify sha256:{name}, then chmod {BLOB_MODE:04o} {quoted}"
        yield Finding.warning(_CHECK, found, remedy).with_repair(repair)
