"""Check for leftovers of interrupted operations."""

from __future__ import annotations

import functools
import os
import re
import shlex
import time
from collections.abc import Iterator
from typing import Final

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.fs import remove_tree
from lamina.plugin import Finding, Repair
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.file import CLOSED, DATA

_OLD: Final = 3600.0
"""Seconds after which a temporary file of a running host counts as a leftover."""
_TRIALS: Final = re.compile(r"(probe-|lamina-|lamina-mount|tmp)[a-z0-9_]{8}")
"""Matches the names of temporary directories for probes and mounts, beside the data."""
_NUMBERED: Final = re.compile(rf"[0-9]+{re.escape(layout.UNFINISHED)}")
"""Matches the names of unfinished data and recovery records."""
_FILES: Final = re.compile(rf"({layout.UUID}|{layout.FAILED_SYNC}){re.escape(layout.UNFINISHED)}")
"""Matches the names of unfinished files of a data root."""
_METASTORE: Final = re.compile(rf"({re.escape(DATA)}|{CLOSED}){re.escape(layout.UNFINISHED)}")
"""Matches the names of unfinished files of a metastore."""


def temporaries_of(evidence: Evidence, _name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report unfinished files and temporary directories in a data root."""
    found = [
        *_left(root.path, _FILES, evidence),
        *_left(root.path, _TRIALS, evidence),
        *_left(os.path.join(root.path, layout.RECORDS), _NUMBERED, evidence),
        *_left(os.path.join(root.path, layout.SNAPSHOTS), _NUMBERED, evidence),
    ]
    yield from _leftovers(found)


def temporaries_of_metastore(evidence: Evidence) -> Iterator[Finding]:
    """Report an unfinished metastore."""
    yield from _leftovers(_left(evidence.metastore, _METASTORE, evidence))


def _leftovers(paths: list[str]) -> Iterator[Finding]:
    check = "temporaries"
    for path in paths:
        found = f"{path} is a leftover of an interrupted operation"
        repair = Repair("delete it", functools.partial(remove_tree, path))
        yield Finding.warning(check, found, f"rm -r {shlex.quote(path)}, or --repair").with_repair(repair)
    if not paths:
        yield Finding.ok(check, "no leftovers")


def _left(directory: str, names: re.Pattern[str], evidence: Evidence) -> list[str]:
    """Return the matching names in a directory; beside a running host only old ones."""
    try:
        found = sorted(filter(names.fullmatch, os.listdir(directory)))
    except FileNotFoundError:
        return []
    paths = [os.path.join(directory, name) for name in found]
    return [path for path in paths if evidence.host_pid is None or _is_old(path)]


def _is_old(path: str) -> bool:
    try:
        return time.time() - os.lstat(path).st_ctime > _OLD
    except FileNotFoundError:
        return False
