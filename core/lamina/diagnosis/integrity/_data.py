"""Check that every snapshot has its data, and all data belongs to a snapshot."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence, described, has_own_data, named
from lamina.plugin import Finding, Repair
from lamina.snapshots import Kind
from lamina.snapshots.local import layout, quarantine_data
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.recovery_record import RecoveryRecord


def missing_roots(evidence: Evidence) -> Iterator[Finding]:
    """Report snapshotters whose data root is missing."""
    check = "data roots"
    for name, count in sorted(evidence.rootless.items()):
        snapshots = f"{count:,} {'snapshot' if count == 1 else 'snapshots'} of {name}"
        path = evidence.configured.get(name)
        if path is None:
            found = f"the data of {snapshots} is unknown: no plugin of that name is installed"
            yield Finding.unknown(check, found, "install the package that provides it")
            continue
        parts = f"{layout.SNAPSHOTS} and {layout.RECORDS}"
        yield Finding.problem(
            check,
            f"the data root of {snapshots} is missing: there are no directories {parts} in {path}",
            f"mount its file system (findmnt --target {shlex.quote(path)}), or restore it from a backup",
        )


def missing_data(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report snapshots without their data."""
    check = "data"
    snapshots = evidence.snapshots[name]
    missing = [one for id_, one in sorted(snapshots.items()) if id_ not in root.data and has_own_data(one.record)]
    for one in missing:
        found = f"{described(one)} has none: {root.data_path(one.record.id)} does not exist"
        yield Finding.problem(check, found, _recovery(evidence, one, root))
    if not missing:
        whole = (
            "the only snapshot has its" if len(snapshots) == 1 else f"all {len(snapshots):,} snapshots have their"
        )
        yield Finding.ok(check, f"{whole} data")


def _recovery(evidence: Evidence, one: RecoveryRecord, root: DataRootContents) -> str:
    """Return how to recover lost data, or how to do without it."""
    id_ = one.record.id
    if id_ in root.quarantined:
        kept = f"{shlex.quote(os.path.join(root.path, layout.QUARANTINE))}/{id_}-*Z"
        return f"it is in quarantine: mv {kept} {shlex.quote(root.data_path(id_))}"
    back = f"restore {root.data_path(id_)} from a backup of the data root"
    if one.record.info.kind is Kind.VIEW:
        return "start the host again, which makes it again"
    if one.record.info.kind is Kind.ACTIVE:
        again = "before the next start of the host makes it again as it was prepared"
        return f"{back}, {again}; or remove it, which loses the data written to it: {evidence.removal(one)}"
    return (
        f"{back}; or remove its descendants, then the snapshot ({evidence.removal(one)}), and pull the image again"
    )


def orphans(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report data without a snapshot."""
    check = "data without a snapshot"
    if not evidence.contents.uuid or root.uuid != evidence.contents.uuid:
        return  # there is no metastore to compare with, which another finding reports
    strays = sorted(root.data - evidence.snapshots[name].keys())
    recorded = [id_ for id_ in strays if id_ in root.records]
    for id_ in recorded:
        found = (
            f"{root.data_path(id_)} is data of {described(root.records[id_])} according to its recovery record, "
            "but the metastore does not have that snapshot"
        )
        yield Finding.problem(check, found, f"to recover it, {evidence.rebuild}")
    yield from (_unnamed(check, evidence, name, root, id_) for id_ in strays if id_ not in root.records)
    if not strays:
        yield Finding.ok(check, "none")


def _unnamed(check: str, evidence: Evidence, name: str, root: DataRootContents, id_: int) -> Finding:
    """Report data without a snapshot or a readable recovery record; it may be moved if it cannot be missed."""
    path = root.data_path(id_)
    recorded = "its recovery record is damaged" if id_ in root.torn else "there is no recovery record of it"
    found = f"{path}: no snapshot has identifier {id_}, and {recorded}"
    if evidence.is_damaged:
        lost = f"{found}. The metastore is damaged, and may have lost the snapshot"
        return Finding.problem(check, lost, evidence.rebuild)
    if not evidence.snapshots[name]:
        lost = f"{found}. The metastore has no snapshot of {name}, and may have lost them: no host touches it"
        kept = shlex.quote(path)
        return Finding.warning(check, lost, f"inspect it: ls -la {kept}. If it is not needed: mv {kept} DIRECTORY")
    doctor = f"lamina doctor{evidence.options} --repair"
    remedy = f"an interrupted call left it. The next start moves it to quarantine, and so does {doctor}"
    repair = Repair("move it to quarantine", functools.partial(quarantine_data, root.path, id_))
    return Finding.warning(check, found, remedy).with_repair(repair)


def quarantined(evidence: Evidence, _name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report data in quarantine."""
    check = "quarantine"
    if not root.quarantined:
        yield Finding.ok(check, "empty")
        return
    place = shlex.quote(os.path.join(root.path, layout.QUARANTINE))
    back = f"mv {place}/ID-TIME {shlex.quote(root.data_path(0)[:-1])}ID"
    record = f"mv {place}/ID-TIME.json {shlex.quote(root.record_path(0)[:-1])}ID"
    yield Finding.warning(
        check,
        f"{place} keeps data without a snapshot, found when a host started; identifiers {named(root.quarantined)}",
        f"inspect it: ls -la {place}. If it is not needed, do nothing: it is deleted after a week. To recover "
        f"it: stop the host, {back}, {record}, and lamina metastore rebuild{evidence.options}",
    )
