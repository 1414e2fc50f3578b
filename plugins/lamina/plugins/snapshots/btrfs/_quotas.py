"""Check that subvolumes have the size limits of their snapshots' labels."""

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
from lamina.plugins.snapshots.btrfs._usage import exclusive_limit
from lamina.snapshots import Kind
from lamina.snapshots.labels import MAX_SIZE
from lamina.snapshots.recovery import is_data_root, scan
from lamina.snapshots.storage import Record, shorten


def check_quotas(root: str) -> Iterator[Finding]:
    """Compare limits with labels, taken from recovery records because a host may have the metastore open."""
    if not is_data_root(root):
        return
    check = "quotas"
    scanned = scan(root)
    expected = {id_: _expected_limit(one.record) for id_, one in scanned.records.items() if id_ in scanned.data}
    findings: list[Finding] = []
    with open_directory(root) as directory:
        for id_, size in sorted(expected.items()):
            info = scanned.records[id_].record.info
            path = os.path.join(scanned.data_path(id_), info.kind.name.lower())
            try:
                actual = _actual_limit(directory, path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                yield from _quotas_are_off(check, root, sum(one is not None for one in expected.values()))
                return
            if actual != size:
                findings.append(_wrong_limit(check, root, path, info.name, actual, size))
    yield from findings or [Finding.ok(check, "each subvolume has the limit of its snapshot's label")]


def _quotas_are_off(check: str, root: str, limited: int) -> Iterator[Finding]:
    if limited:
        remedy = f"btrfs quota enable {shlex.quote(root)}, then lamina doctor --repair"
        found = f"quotas are off: the label {MAX_SIZE} of {limited} snapshots has no effect"
        yield Finding.warning(check, found, remedy)


def _wrong_limit(check: str, root: str, path: str, name: str, actual: int | None, size: int | None) -> Finding:
    found = f"the limit of snapshot {shorten(name)} is {_describe(actual)}, but its label says {_describe(size)}"
    command = f"btrfs qgroup limit -e {size or 'none'} {shlex.quote(path)}"
    repair = functools.partial(_set_limit, root, path, size)
    return Finding.warning(check, f"{found}: {path}", command).with_repair(
        Repair(f"set the limit to {_describe(size)}", repair, beside_host=True)
    )


def _expected_limit(record: Record) -> int | None:
    """Return the limit of a snapshot's label. Only active snapshots have one."""
    if record.info.kind is not Kind.ACTIVE:
        return None
    try:
        return max_size(record.info.labels)
    except InvalidArgument:  # an update may set any value
        return None


def _actual_limit(directory: int, path: str) -> int | None:
    """Return the limit of a subvolume; None if it has none or is missing, which other checks report."""
    try:
        with open_subvolume(path) as subvolume:
            id_ = _ioctl.subvolume(subvolume).id
    except (FileNotFoundError, NotADirectoryError, NotASubvolume):
        return None
    size = exclusive_limit(directory, id_)
    return None if size == _ioctl.UNLIMITED else size


def _set_limit(root: str, path: str, size: int | None) -> None:
    with open_directory(root) as directory, open_subvolume(path) as subvolume:
        id_ = _ioctl.subvolume(subvolume).id
        _ioctl.limit_exclusive(directory, id_, _ioctl.UNLIMITED if size is None else size)


def _describe(size: int | None) -> str:
    return "unlimited" if size is None else f"{size:,} bytes"
