"""Check for snapshots affected by a failed sync."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence, described
from lamina.plugin import Finding
from lamina.snapshots import Kind
from lamina.snapshots.recovery import DataRootContents


def failed_syncs(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Report active snapshots that cannot be committed because the disk lost writes."""
    check = "failed syncs"
    last = max(evidence.contents.failed_syncs.get(name, 0), root.failed_sync or 0)
    refused = 0
    for id_, one in sorted(evidence.snapshots[name].items()):
        if id_ <= last and one.record.info.kind is Kind.ACTIVE:
            refused += 1
            found = (
                f"{described(one)} was prepared before a sync of its file system failed: it cannot be committed"
            )
            cause = "dmesg -T | grep -i error"
            remedy = f"find the cause ({cause}); then {evidence.removal(one)}, and prepare it again"
            yield Finding.problem(check, found, remedy)
    if not refused:
        yield Finding.ok(check, "no snapshot depends on a failed sync")
