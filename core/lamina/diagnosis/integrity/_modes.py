"""Check whether other users could read or change a host's data."""

from __future__ import annotations

import functools
import os
import shlex
import stat
from collections.abc import Iterable, Iterator

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.fs import exposure_of
from lamina.plugin import Finding, Repair
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.file import DATA

_PARTS = (layout.SNAPSHOTS, layout.RECORDS, layout.TRASH, layout.QUARANTINE)
_FILES = (layout.UUID, layout.FAILED_SYNC, layout.LOCK)


def modes_of(_evidence: Evidence, _name: str, root: DataRootContents) -> Iterator[Finding]:
    """Check modes and owners in a data root, except inside the layers."""
    yield from modes_below(root.path)


def modes_below(path: str) -> Iterator[Finding]:
    """Check modes and owners in a data root."""
    directories = [path, *(os.path.join(path, part) for part in _PARTS)]
    yield from _modes(directories, [os.path.join(path, name) for name in _FILES])


def modes_of_metastore(evidence: Evidence) -> Iterator[Finding]:
    """Check modes and owners of the metastore's directory and files."""
    files = [os.path.join(evidence.metastore, name) for name in (DATA, layout.LOCK)]
    yield from _modes([evidence.metastore], files)


def _modes(directories: Iterable[str], files: Iterable[str]) -> Iterator[Finding]:
    check = "modes and owners"
    found = [*_exposed(check, directories), *_open(check, directories, 0o700), *_open(check, files, 0o600)]
    yield from found
    if not found:
        yield Finding.ok(check, "no other user can read or change anything")


def _exposed(check: str, directories: Iterable[str]) -> Iterator[Finding]:
    reported = set()
    for path in directories:
        if not os.path.isdir(path):
            continue
        exposure = exposure_of(path)
        if exposure and exposure not in reported:  # one directory exposes everything below it
            reported.add(exposure)
            found = f"{exposure.found}, who could tamper with trusted files"
            yield Finding.problem(check, found, exposure.remedy)


def _open(check: str, paths: Iterable[str], wanted: int) -> Iterator[Finding]:
    """Report paths that others may access."""
    for path in paths:
        try:
            mode = stat.S_IMODE(os.lstat(path).st_mode)
        except FileNotFoundError:
            continue
        if mode & ~wanted:
            found = f"{path} has mode {mode:04o} instead of {wanted:04o}: others may access it"
            repair = Repair(f"set mode {wanted:04o}", functools.partial(os.chmod, path, wanted), beside_host=True)
            yield Finding.warning(check, found, f"chmod {wanted:04o} {shlex.quote(path)}").with_repair(repair)
