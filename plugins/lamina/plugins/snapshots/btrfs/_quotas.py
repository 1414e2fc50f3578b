"""Whether subvolumes are limited as the labels of their snapshots say."""

from __future__ import annotations

import errno
import functools
import os
import shlex
from collections.abc import Iterator

from lamina.errdefs import InvalidArgument
from lamina.plugin import Finding, Repair
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.plugins.snapshots.btrfs._max_size import max_size
from lamina.plugins.snapshots.btrfs._subvolume import NotASubvolume, open_directory, open_subvolume
from lamina.plugins.snapshots.btrfs._usage import limit
from lamina.snapshots import Kind
from lamina.snapshots.labels import MAX_SIZE
from lamina.snapshots.recovery import is_data_root, scan
from lamina.snapshots.storage import Record, shorten


def quotas(root: str) -> Iterator[Finding]:
    """Compare limits with labels, as recovery records have them: the metastore may be a host's.

    Args:
        root: The data root.
    """
    if not is_data_root(root):
        return
    check = "quotas"
    found = scan(root)
    wanted = {id_: _wanted(one.record) for id_, one in found.records.items() if id_ in found.data}
    wrong = 0
    with open_directory(root) as directory:
        for id_, size in sorted(wanted.items()):
            record = found.records[id_].record
            path = os.path.join(found.data_path(id_), record.info.kind.name.lower())
            try:
                actual = _actual(directory, path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                limited = sum(one is not None for one in wanted.values())
                if limited:
                    remedy = f"btrfs quota enable {shlex.quote(root)}, then lamina doctor --repair"
                    said = f"quotas are off, and {limited} snapshots have the label {MAX_SIZE}: they have no limit"
                    yield Finding.warning(check, said, remedy)
                return
            if actual == size:
                continue
            wrong += 1
            said = (
                f"snapshot {shorten(record.info.name)} may take up {_words(actual)}, by its label {_words(size)}"
            )
            command = f"btrfs qgroup limit -e {size or 'none'} {shlex.quote(path)}"
            mend = functools.partial(_mend, root, path, size)
            repair = Repair(f"limit it to {_words(size)}", mend, beside_host=True)
            yield Finding.warning(check, f"{said}: {path}", command).mended_by(repair)
    if not wrong:
        yield Finding.ok(check, "each subvolume is limited as its snapshot's label says")


def _wanted(record: Record) -> int | None:
    """The limit that a snapshot should have: active ones alone have one."""
    if record.info.kind is not Kind.ACTIVE:
        return None
    try:
        return max_size(record.info.labels)
    except InvalidArgument:  # changed to what means nothing
        return None


def _actual(directory: int, path: str) -> int | None:
    """The limit of a subvolume; None where it has none, or is not there, which others tell."""
    try:
        with open_subvolume(path) as subvolume:
            id_ = _ioctl.subvolume(subvolume).id
    except (FileNotFoundError, NotASubvolume):
        return None
    found = limit(directory, id_)
    return None if found == _ioctl.UNLIMITED else found


def _mend(root: str, path: str, size: int | None) -> None:
    with open_directory(root) as directory, open_subvolume(path) as subvolume:
        id_ = _ioctl.subvolume(subvolume).id
        _ioctl.limit_exclusive(directory, id_, _ioctl.UNLIMITED if size is None else size)


def _words(size: int | None) -> str:
    return "what there is" if size is None else f"{size:,} bytes"
