"""Whether every snapshot has its data, and all data a snapshot."""

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


def missing_data(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Look for snapshots without their data.

    Args:
        evidence: What the sources say.
        name: The snapshotter.
        root: Its data root.
    """
    check = "data"
    snapshots = evidence.snapshots[name]
    missing = [one for id_, one in sorted(snapshots.items()) if id_ not in root.data and has_own_data(one.record)]
    for one in missing:
        found = f"{described(one)} has none: {root.data_path(one.record.id)} is not there"
        yield Finding.problem(check, found, _recovery(evidence, one, root))
    if not missing:
        yield Finding.ok(check, f"each of {len(snapshots):,} snapshots has what it needs")


def _recovery(evidence: Evidence, one: RecoveryRecord, root: DataRootContents) -> str:
    """How to get lost data back, or to live without."""
    id_ = one.record.id
    if id_ in root.quarantined:
        kept = f"{shlex.quote(os.path.join(root.path, layout.QUARANTINE))}/{id_}-*Z"
        return f"it is in quarantine: mv {kept} {shlex.quote(root.data_path(id_))}"
    back = f"restore {root.data_path(id_)} from a backup of the data root"
    if one.record.info.kind is Kind.ACTIVE:
        return f"{back}; or remove it, what was written to it is lost: {evidence.removal(one)}"
    return f"{back}; or remove what is built on it, then it ({evidence.removal(one)}), and pull its image again"


def orphans(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Look for data that no snapshot has.

    Args:
        evidence: What the sources say.
        name: The snapshotter.
        root: Its data root.
    """
    check = "data without a snapshot"
    if not evidence.contents.uuid or root.uuid != evidence.contents.uuid:
        return  # all of it is, and another finding says why
    strays = sorted(root.data - evidence.snapshots[name].keys())
    recorded = [id_ for id_ in strays if id_ in root.records]
    for id_ in recorded:
        found = (
            f"{root.data_path(id_)} is data of {described(root.records[id_])}, as its recovery record says, and "
            "the metastore does not know that snapshot"
        )
        yield Finding.problem(check, found, f"to have it back, {evidence.rebuild}")
    for id_ in strays:
        if id_ not in root.records:
            found = f"{root.data_path(id_)}: no snapshot has identifier {id_}, and no recovery record is of it"
            doctor = f"lamina doctor{evidence.options} --repair"
            remedy = f"an interrupted call left it. The next start moves it to quarantine; so does {doctor}"
            repair = Repair("move it to quarantine", functools.partial(quarantine_data, root.path, id_))
            yield Finding.warning(check, found, remedy).mended_by(repair)
    if not strays:
        yield Finding.ok(check, "none")


def quarantined(evidence: Evidence, _name: str, root: DataRootContents) -> Iterator[Finding]:
    """Tell what is in quarantine."""
    check = "quarantine"
    if not root.quarantined:
        yield Finding.ok(check, "empty")
        return
    place = shlex.quote(os.path.join(root.path, layout.QUARANTINE))
    back = f"mv {place}/ID-TIME {shlex.quote(root.data_path(0)[:-1])}ID"
    record = f"mv {place}/ID-TIME.json {shlex.quote(root.record_path(0)[:-1])}ID"
    yield Finding.warning(
        check,
        f"{place} keeps what no snapshot had at a start, of identifiers {named(root.quarantined)}",
        f"look at it: ls -la {place}. If nothing misses it, do nothing: it is deleted after a week. To have it "
        f"back: stop the host, {back}, {record}, and lamina metastore rebuild{evidence.options}",
    )
