"""Check that the recovery records match the metastore."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence, has_own_data, named
from lamina.plugin import Finding, Repair
from lamina.snapshots.local import write_recovery_records
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.recovery_record import RecoveryRecord


def recovery_records(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Compare the recovery records of a data root with the metastore."""
    if not evidence.contents.uuid or root.uuid != evidence.contents.uuid:
        return  # there is nothing to compare with, which another finding reports
    check = "recovery records"
    snapshots = evidence.snapshots[name]
    torn = {id_ for id_ in root.torn if id_ in snapshots}
    missing = snapshots.keys() - root.records.keys() - torn
    differing = {id_ for id_, one in root.records.items() if id_ in snapshots and not _agree(one, snapshots[id_])}
    later = {id_ for id_ in differing if _updated(root.records[id_]) > _updated(snapshots[id_])}
    stale = differing - later
    if later:
        found = (
            f"{len(later):,} in {root.path}/records are newer than the metastore, which lost a change; "
            f"identifiers {named(later)}"
        )
        yield Finding.problem(check, found, evidence.rebuild)
    remedy = (
        "the metastore could not be rebuilt from them. Restart the host, which writes them; or, while none "
        f"runs, lamina doctor{evidence.options} --repair"
    )
    for what, ids in (("missing", missing), ("damaged", torn), ("behind the metastore", stale)):
        if ids:
            reason = next((f": {root.torn[id_]}" for id_ in sorted(ids) if id_ in root.torn), "")
            found = f"{len(ids):,} in {root.path}/records are {what}; identifiers {named(ids)}{reason}"
            records = tuple(snapshots[id_]._replace(metastore=evidence.contents.uuid) for id_ in sorted(ids))
            write = functools.partial(write_recovery_records, root.path, records)
            yield Finding.warning(check, found, remedy).with_repair(Repair("write them", write))
    yield from _strays(check, evidence, name, root)
    if not (torn or missing or differing):
        yield Finding.ok(check, f"{len(snapshots):,} match the metastore")


def _strays(check: str, evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report recovery records without a snapshot or data."""
    strays = {*root.records, *root.torn} - evidence.snapshots[name].keys() - root.data
    viewed = {id_ for id_ in strays if id_ in root.records and not has_own_data(root.records[id_].record)}
    if strays:
        views = f", {len(viewed):,} of them views" if viewed else ""
        yield Finding.warning(
            check,
            f"{len(strays):,} in {root.path}/records belong to snapshots that no longer exist{views}; "
            f"identifiers {named(strays)}",
            "they were removed just before a crash: start the host, which moves the records to quarantine",
        )


def _updated(one: RecoveryRecord) -> int:
    return one.record.info.updated


def _agree(one: RecoveryRecord, other: RecoveryRecord) -> bool:
    return (one.keyspace, one.record) == (other.keyspace, other.record)
