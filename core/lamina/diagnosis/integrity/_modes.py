"""Check whether other users could read or change a host's data."""

from __future__ import annotations

import functools
import os
import shlex
import stat
from collections.abc import Iterable, Iterator

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.fs import Trust, exposure_of, file_exposure, set_mode
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
    """Check modes and owners in a data root, whose own path may be a link."""
    path = os.path.realpath(path)
    directories = [path, *(os.path.join(path, part) for part in _PARTS)]
    yield from _modes(directories, [os.path.join(path, name) for name in _FILES])


def modes_of_metastore(evidence: Evidence) -> Iterator[Finding]:
    """Check modes and owners of the metastore's directory and files."""
    path = os.path.realpath(evidence.metastore)
    yield from _modes([path], [os.path.join(path, name) for name in (DATA, layout.LOCK)])


def _modes(directories: Iterable[str], files: Iterable[str]) -> Iterator[Finding]:
    check = "modes and owners"
    found = [
        *_exposed(check, directories),
        *_open(check, directories, 0o700, stat.S_IFDIR),
        *_insecure(check, files),
    ]
    yield from found
    if not found:
        yield Finding.ok(check, "no other user can read or change anything")


def _exposed(check: str, directories: Iterable[str]) -> Iterator[Finding]:
    reported: set[str] = set()
    for path in directories:
        if not os.path.isdir(path):
            continue
        exposure = exposure_of(path)
        if exposure and exposure.found not in reported:  # one directory exposes everything below it
            reported.add(exposure.found)
            found = f"{exposure.found}, who could tamper with trusted files"
            yield Finding.problem(check, found, exposure.remedy)


def _insecure(check: str, files: Iterable[str]) -> Iterator[Finding]:
    """Report files that lamina refuses to use, and those that others may access."""
    trust = Trust.of_process()
    for path in files:
        try:
            exposure = file_exposure(os.lstat(path), path, trust)
        except FileNotFoundError:
            continue
        if exposure:
            yield Finding.problem(check, exposure.found, exposure.remedy)
        else:
            yield from _open(check, [path], 0o600, stat.S_IFREG)


def _open(check: str, paths: Iterable[str], wanted: int, kind: int) -> Iterator[Finding]:
    """Report paths that others may access, if they are of the right kind."""
    for path in paths:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_IFMT(status.st_mode) == kind and mode & ~wanted:
            found = f"{path} has mode {mode:04o} instead of {wanted:04o}: others may access it"
            repair = Repair(f"set mode {wanted:04o}", functools.partial(set_mode, path, wanted), beside_host=True)
            yield Finding.warning(check, found, f"chmod {wanted:04o} {shlex.quote(path)}").with_repair(repair)
