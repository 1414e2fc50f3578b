"""Rebuilding a metastore from its own file, a backup, recovery records, and the data."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import attrs

from lamina.errdefs import DataLoss, Error, FailedPrecondition, NotFound, translated
from lamina.fs import Lock, SecureDirectory, exchange, sync_directory
from lamina.snapshots.local import layout
from lamina.snapshots.local._opening import missing
from lamina.snapshots.recovery._backup import checked
from lamina.snapshots.recovery._failed_syncs import FailedSyncs, find_failed_syncs
from lamina.snapshots.recovery._merge import Merged, merge
from lamina.snapshots.recovery._scan import DataRootContents, Watch, is_data_root, scan, unwatched
from lamina.snapshots.storage import Record
from lamina.snapshots.storage.file import DATA, Contents, read_file, write_file


@attrs.frozen
class Places:
    """The directories of a host."""

    root: str
    """The host's root directory."""
    metastore: str
    """The metastore's directory."""
    data_roots: Mapping[str, str]
    """The data root of each snapshotter. They need not exist or belong to local snapshotters."""

    def found_data_roots(self) -> dict[str, str]:
        """Return the existing data roots: the configured ones, and those of plugins no longer configured."""
        found = {name: path for name, path in self.data_roots.items() if is_data_root(path)}
        known = {os.path.realpath(path) for path in found.values()}
        with contextlib.suppress(FileNotFoundError):
            for entry in sorted(os.listdir(self.root)):
                path = os.path.join(self.root, entry)
                if is_data_root(path) and os.path.realpath(path) not in known:
                    found[entry] = path
        return found


@attrs.frozen
class Rebuilt:
    """The result of a rebuild, or of a dry run."""

    merged: Merged
    roots: tuple[DataRootContents, ...]
    """The data roots used."""
    foreign: tuple[DataRootContents, ...]
    """The data roots of another metastore, which were not touched."""
    before: Contents
    """The intact contents of the metastore, or of the backup."""
    failed_syncs: FailedSyncs
    """The active snapshots whose commits will be refused."""
    changes: bool
    """True if the rebuild changes the metastore, or to which one a data root belongs."""
    backup: str = ""
    """The backup used; "" for the metastore's own file."""
    set_aside: str = ""
    """The path of the replaced metastore; "" if there was none, or nothing was changed."""


def rebuild(
    places: Places,
    *,
    backup: str = "",
    adopt: bool = False,
    dry_run: bool = False,
    watch: Watch = unwatched,
) -> Rebuilt:
    """Rebuild the metastore. If the process is killed, either the old one or the new one is in place.

    Args:
        places: The directories of the host, which must not run.
        backup: A copy of the metastore's file to start from; "": its own file.
        adopt: Take over data roots of another metastore.
        dry_run: Change nothing; return what would be done.
        watch: Reports progress.

    Raises:
        NotFound: There is neither a metastore nor a data root.
        LockHeld: The host runs.
        Unavailable: The data root of some snapshots is missing or empty.
        FailedPrecondition: The backup is not of the metastore to which the data roots belong.
        DataLoss: The backup is damaged.
        Error: A directory cannot be read; the disk is full.
    """
    with contextlib.ExitStack() as locks, translated("rebuild the metastore"):
        paths = places.found_data_roots()
        if not (paths or backup or os.path.lexists(os.path.join(places.metastore, DATA))):
            raise NotFound(
                f"there is neither a metastore in {places.metastore} nor a data root: is {places.root} the right "
                "root directory?"
            )
        for directory in (places.root, places.metastore, *paths.values()):
            if os.path.isdir(directory):
                locks.enter_context(Lock.acquire(os.path.join(directory, layout.LOCK)))
        before = checked(backup) if backup else _read_present(places.metastore)
        present = _read_replaced(places.metastore) if backup else before
        scanned = {name: scan(path, watch) for name, path in paths.items()}
        roots = {one.snapshotter or name: one for name, one in scanned.items()}
        chosen = _choose_uuid(before, roots.values())
        if backup and before.uuid != chosen and not adopt:
            raise FailedPrecondition(
                f"{backup} is a backup of metastore {before.uuid}, and the data roots belong to {chosen}: name a "
                "backup of that one, or take the data roots over with --adopt"
            )
        chosen = before.uuid if backup else chosen
        used = {name: one for name, one in roots.items() if adopt or _belongs(one, chosen)}
        if before.uuid == chosen:
            _check_mounted(places, before, roots)
        rebuilt = _combine(chosen, before, present, roots, used, backup)
        if dry_run or not rebuilt.changes:
            return rebuilt
        return attrs.evolve(rebuilt, set_aside=_carry_out(rebuilt, places.metastore))


def _check_mounted(places: Places, contents: Contents, roots: Mapping[str, DataRootContents]) -> None:
    """Check that the data roots of all snapshots are there.

    The new metastore would lack what only the recovery records of a missing one say, and when its file system is
    mounted again, the next start would move the data of those snapshots to quarantine.
    """
    named = {one.snapshotter for one in contents.snapshots}
    for name in sorted((named & places.data_roots.keys()) - roots.keys()):
        path = places.data_roots[name]
        if not any(os.path.lexists(os.path.join(path, mark)) for mark in (layout.UUID, layout.SNAPSHOTS)):
            raise missing(path, contents.uuid, name)


def _combine(
    chosen: str,
    before: Contents,
    present: Contents,
    roots: Mapping[str, DataRootContents],
    used: Mapping[str, DataRootContents],
    backup: str,
) -> Rebuilt:
    """Return the result of merging a metastore, or a backup of it, with the data roots in use."""
    current = () if backup or before.uuid != chosen else _current(before, used)
    merged = merge(chosen, _own_contents(before, roots, used, chosen), used, current)
    known = _current(present, used) if present.uuid == chosen and not present.salvaged else ()
    failed_syncs = find_failed_syncs(merged, used, (before, present), known)
    is_outdated = bool(backup) or any(
        one.uuid == chosen and one.is_newer(name, before) for name, one in used.items()
    )
    merged = merged.with_failed_syncs(failed_syncs.last_ids)
    merged = merged.with_losses(_losses(before, is_outdated=is_outdated))
    unmarked = [one for one in used.values() if one.uuid != chosen and (one.data or one.records)]
    return Rebuilt(
        merged,
        roots=tuple(used.values()),
        foreign=tuple(one for name, one in roots.items() if name not in used),
        before=before,
        failed_syncs=failed_syncs,
        changes=is_outdated or bool(unmarked) or _changes(before, merged.contents),
        backup=backup,
    )


def _carry_out(rebuilt: Rebuilt, metastore: str) -> str:
    """Replace the metastore, and mark the data roots as its own; return the path of the old one."""
    contents = rebuilt.merged.contents
    aside = _replace(metastore, contents, _aside_name(rebuilt.backup, rebuilt.before))
    for one in rebuilt.roots:
        if one.uuid != contents.uuid:
            with SecureDirectory.open(one.path) as data_root:
                data_root.replace(layout.UUID, f"{contents.uuid} 0\n".encode())
    return aside


def _read_present(directory: str) -> Contents:
    path = os.path.join(directory, DATA)
    if not os.path.lexists(path) or not os.path.getsize(path):
        return Contents(problems=(f"there is no {path}",))
    try:
        return read_file(path)
    except DataLoss as error:
        return Contents(problems=(str(error),))


def _read_replaced(directory: str) -> Contents:
    """Read a metastore that a backup replaces, and whose version may be unknown."""
    try:
        return _read_present(directory)
    except Error as error:
        return Contents(problems=(str(error),))


def _choose_uuid(before: Contents, roots: Iterable[DataRootContents]) -> str:
    """Return the UUID of most data and recovery records, or else the metastore's own."""
    counted = Counter({before.uuid: 0}) if before.uuid else Counter[str]()
    for one in roots:
        if one.uuid:
            counted[one.uuid] += len(one.records) + len(one.data)
    if not counted:
        return str(uuid.uuid4())
    most = max(counted.values())
    return before.uuid if counted.get(before.uuid) == most else next(u for u in counted if counted[u] == most)


def _own_contents(
    before: Contents, roots: Mapping[str, DataRootContents], used: Mapping[str, DataRootContents], chosen: str
) -> Contents:
    """Return the contents of a metastore without the snapshots of data roots that were not its own.

    In another metastore's data root, the same identifiers name other snapshots.
    """
    own = {name for name, one in used.items() if one.uuid in {"", before.uuid}}
    if before.uuid == chosen:
        own |= {one.snapshotter for one in before.snapshots} - roots.keys()
    return attrs.evolve(before, snapshots=tuple(one for one in before.snapshots if one.snapshotter in own))


def _belongs(one: DataRootContents, chosen: str) -> bool:
    return one.uuid in {"", chosen} or not (one.data or one.records)


def _current(before: Contents, roots: Mapping[str, DataRootContents]) -> tuple[str, ...]:
    """Return the snapshotters whose part of the metastore is not older than their data root.

    There are none for a damaged file, which may hold outdated records: only data proves that a snapshot exists.
    """
    if before.problems:
        return ()
    return tuple(name for name in before.counters if name not in roots or not roots[name].is_newer(name, before))


def _changes(before: Contents, after: Contents) -> bool:
    if before.problems or before.salvaged or before.uuid != after.uuid:
        return True
    return _by_id(before) != _by_id(after)


def _by_id(contents: Contents) -> dict[tuple[str, int], tuple[str, Record]]:
    return {(one.snapshotter, one.record.id): (one.keyspace, one.record) for one in contents.snapshots}


def _losses(before: Contents, *, is_outdated: bool) -> str:
    """Return the time since which names of images, labels of blobs and leases may be lost; "" if none are."""
    if is_outdated or before.problems or before.salvaged:
        return _now()
    return before.losses


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def _aside_name(backup: str, before: Contents) -> str:
    reason = "before-restore" if backup else "damaged" if before.problems else "before-rebuild"
    return f"{DATA}.{reason}-{_now()}"


def _replace(directory: str, contents: Contents, aside: str) -> str:
    """Replace the metastore's file, and return the path to which the old one was moved."""
    path = os.path.join(directory, DATA)
    unfinished = path + layout.UNFINISHED
    SecureDirectory.open(directory, create_mode=0o700).close()
    with contextlib.ExitStack() as undo:
        undo.callback(_unlink, unfinished)
        _unlink(unfinished)
        write_file(unfinished, contents)
        _verify(unfinished, contents)
        if not os.path.lexists(path):
            os.rename(unfinished, path)
            sync_directory(directory)
            return ""
        kept = os.path.join(directory, aside)
        os.rename(unfinished, kept)
    exchange(kept, path)  # atomically: without a file, a host would start with an empty metastore
    sync_directory(directory)
    return kept


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _verify(path: str, contents: Contents) -> None:
    """Check that a file holds the contents written to it."""
    written = read_file(path)
    others = (written.counters, written.failed_syncs, written.tables, written.losses)
    expected = (dict(contents.counters), dict(contents.failed_syncs), dict(contents.tables), contents.losses)
    if written.problems or _changes(written, contents) or others != expected:
        problem = written.problems[0] if written.problems else "it differs from the data written"
        raise DataLoss(f"{path} was written wrongly, and was not used: {problem}: is the disk failing?")
