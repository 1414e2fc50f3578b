"""The result of a rebuild as text and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lamina.cli.terminal.output import shorten

if TYPE_CHECKING:
    from lamina.snapshots.recovery import LeftOut, Rebuilt, Restored


def problems_remain(rebuilt: Rebuilt) -> bool:
    """Return whether data has no snapshot, a snapshot has no data, or a data root was left alone.

    Also if active snapshots are refused because it is unknown whether a sync failed.
    """
    merged = rebuilt.merged
    return bool(
        rebuilt.foreign
        or rebuilt.failed_syncs.unknown
        or any(out.path for out in merged.left_out)
        or any(not o.has_data for o in merged.restored)
    )


def rebuilt_document(rebuilt: Rebuilt, metastore: str, *, dry_run: bool) -> dict[str, Any]:
    """Return the result for `--json`."""
    merged = rebuilt.merged
    return {
        "Metastore": metastore,
        "UUID": merged.contents.uuid,
        "Changed": rebuilt.changes and not dry_run,
        "SetAside": rebuilt.set_aside,
        "Problems": list(rebuilt.before.problems),
        "DataRoots": [
            {"Path": one.path, "Data": len(one.data), "RecoveryRecords": len(one.records)} for one in rebuilt.roots
        ],
        "LeftAlone": [{"Path": one.path, "UUID": one.uuid} for one in rebuilt.foreign],
        "Restored": len(merged.restored),
        "Entries": merged.contents.entries_by_owner(),
        "Sources": {str(source): count for source, count in _sources(rebuilt).items()},
        "Incomplete": [_restored_document(one) for one in merged.restored if _is_incomplete(one)],
        "FailedSyncs": dict(rebuilt.failed_syncs.last_ids),
        "FailedSyncsUnknown": sorted(rebuilt.failed_syncs.unknown),
        "LeftOut": [_left_out_document(one) for one in merged.left_out],
    }


def rebuilt_lines(rebuilt: Rebuilt, metastore: str, *, dry_run: bool) -> Iterator[str]:
    """Yield the result as lines of text."""
    merged = rebuilt.merged
    yield f"metastore    {metastore} ({merged.contents.uuid})"
    for problem in rebuilt.before.problems:
        yield f"problem      {problem}"
    for one in rebuilt.roots:
        yield f"data root    {one.path}: {len(one.data):,} with data, {len(one.records):,} recovery records"
    for one in rebuilt.foreign:
        yield f"left alone   {one.path}: it belongs to metastore {one.uuid}; --adopt takes it over"
    words = _WORDS | ({"metastore": "the backup"} if rebuilt.backup else {})
    sources = ", ".join(f"{count:,} from {words[source]}" for source, count in _sources(rebuilt).items())
    snapshots = "1 snapshot" if len(merged.restored) == 1 else f"{len(merged.restored):,} snapshots"
    yield f"restored     {snapshots}" + (f": {sources}" if sources else "")
    for owner, count in merged.contents.entries_by_owner().items():
        yield f"kept         {count:,} {'entry' if count == 1 else 'entries'} of {owner}"
    if rebuilt.changes:
        since = " made or changed since the backup" if rebuilt.backup else ""
        lost = f"names of images, labels of blobs and leases{since}"
        yield (
            f"not restored {lost}: import or pull the images again, then run lamina images prune, which removes "
            "what is not needed; no scheduled collection runs until then"
        )
    for restored in merged.restored:
        if _is_incomplete(restored):
            lost = "labels, times and usage are" if restored.has_data else "data is"
            who = _named(restored.found.snapshotter, restored.found.record.id, restored.found.record.info.name)
            yield f"incomplete   {who}: its {lost} lost"
    for out in merged.left_out:
        data = f"; its data stays at {out.path}" if out.path else ""
        yield f"left out     {_named(out.snapshotter, out.id, out.key)}: {out.reason}{data}"
    for snapshotter, count in rebuilt.failed_syncs.unknown.items():
        yield (
            f"refused      {snapshotter}: it is unknown whether a sync failed, so its {count:,} active snapshots "
            "cannot be committed: remove them and prepare them again"
        )
    if not rebuilt.changes:
        yield "The metastore is intact. Nothing was changed."
    elif dry_run:
        yield "Nothing was changed: this was a dry run."
    elif rebuilt.set_aside:
        yield f"set aside    {rebuilt.set_aside}: the old metastore"


_WORDS = {"metastore": "the metastore's file", "recovery record": "recovery records", "children": "their children"}


def _sources(rebuilt: Rebuilt) -> Counter[str]:
    return Counter(str(one.source) for one in rebuilt.merged.restored)


def _is_incomplete(one: Restored) -> bool:
    return not one.has_data or str(one.source) == "children"


def _named(snapshotter: str, id_: int, key: str) -> str:
    return f"{snapshotter} {id_} {shorten(key, 80)!r}" if key else f"{snapshotter} {id_}"


def _restored_document(one: Restored) -> dict[str, Any]:
    found = one.found
    return {
        "Snapshotter": found.snapshotter,
        "Keyspace": found.keyspace,
        "ID": found.record.id,
        "Key": found.record.info.name,
        "Source": str(one.source),
        "HasData": one.has_data,
    }


def _left_out_document(out: LeftOut) -> dict[str, Any]:
    return {"Snapshotter": out.snapshotter, "ID": out.id, "Key": out.key, "Reason": out.reason, "Data": out.path}
