"""The trees of snapshots, as `lamina doctor` examines them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lamina.plugin import Finding
from lamina.snapshots import Kind
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import is_data_root, scan
from lamina.snapshots.storage import shorten
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_CHECK: Final = "trees"


def is_directory(path: str) -> bool:
    """Return whether a path is that of a directory, and not of a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def examine_trees(
    root: str, names: Iterable[str], is_tree: Callable[[str], bool] = is_directory
) -> Iterator[Finding]:
    """Report snapshots whose data is there, but is not what a backend makes.

    Snapshots are those with a recovery record: a host may have the metastore open.

    Args:
        root: The data root, which need not exist.
        names: The names that a tree may have in the data of a snapshot; "" if the data is the tree.
        is_tree: Returns whether there is a tree at a path.
    """
    if not is_data_root(root):
        return
    wrong = [
        id_
        for id_ in _ids(root)
        if not is_directory(path := os.path.join(root, layout.SNAPSHOTS, id_))
        or not any(is_tree(os.path.join(path, name)) for name in names)
    ]
    if not wrong:
        yield Finding.ok(_CHECK, "all are where snapshots have them")
        return
    records = scan(root).records
    for id_ in wrong:
        path = os.path.join(root, layout.SNAPSHOTS, id_)
        if os.path.lexists(path):  # else removed meanwhile
            yield _without_tree(path, id_, records.get(int(id_)))


def _ids(root: str) -> list[str]:
    """Return the identifiers with data and a recovery record, as the names of files."""
    snapshots, records = (set(os.listdir(os.path.join(root, name))) for name in (layout.SNAPSHOTS, layout.RECORDS))
    return sorted(filter(str.isdecimal, snapshots & records), key=int)


def _without_tree(path: str, id_: str, one: RecoveryRecord | None) -> Finding:
    back = f"restore {path} from a backup of the data root"
    named = f"identifier {id_}"
    if one is not None:
        info = one.record.info
        named = f"{info.kind.name.lower()} snapshot {shorten(info.name)} ({named})"
        if info.kind is not Kind.COMMITTED:
            back += ", before the next start of the host makes it again as it was prepared"
    remedy = f"{back}; or remove its descendants, then the snapshot"
    return Finding.problem(_CHECK, f"{named} has none: {path} was damaged, or replaced by something else", remedy)
