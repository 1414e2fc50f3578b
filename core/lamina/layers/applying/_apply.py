"""Apply a layer to a directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

import attrs

from lamina.context import current
from lamina.errdefs import Error, FailedPrecondition, InvalidArgument, ResourceExhausted, from_os_error, translated
from lamina.layers._entry import Entry
from lamina.layers.applying._applied import Applied, Limits, Whiteouts
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._merged import MergedTree
from lamina.layers.applying._paths import OPAQUE, WHITEOUT, is_of_aufs, is_reserved, shown, split
from lamina.layers.applying._tree import Tree
from lamina.layers.applying._upper import UpperTree
from lamina.layers.applying._writer import EntryWriter
from lamina.layers.compression import LayerStream
from lamina.layers.tar import TarReader

_OPERATION: Final = "apply the layer"
_LIMITS: Final = Limits()
_CHECKED: Final = 64
"""Entries between two checks whether the call was cancelled."""
_SPECIAL: Final = 0o7000
"""Set-user-ID, set-group-ID and sticky."""
_STATUS: Final = "/proc/self/status"


def apply_layer(
    stream: LayerStream,
    root_fd: int,
    *,
    whiteouts: Whiteouts = Whiteouts.DELETE,
    parent_fd: int | None = None,
    is_lowest: bool = False,
    limits: Limits = _LIMITS,
    progress: Callable[[int], object] | None = None,
) -> Applied:
    """Apply a layer to a directory.

    The tree is the same whether layers are applied to one directory, or each to an upper directory of an overlay.
    Nothing outside the directory is ever touched, whatever the archive and the directory have, and whatever other
    processes change meanwhile. After an error the directory has part of the layer.

    Owners, modes, extended attributes, devices and times are those of the archive, which takes root. Directories
    that the archive only implies keep the attributes of the layers below; new ones have mode 0755.

    Args:
        stream: The layer, at its start. The caller closes it.
        root_fd: The descriptor of the directory.
        whiteouts: The way to apply deletions.
        parent_fd: For `Whiteouts.OVERLAY`, the descriptor of a read-only view of the layers below.
        is_lowest: Whether there are no layers below; then nothing is deleted or looked up.
        limits: The limits of what the layer may write.
        progress: Called from time to time with `LayerStream.position`.

    Raises:
        InvalidArgument: The layer is malformed, or has an entry that no tree can have.
        ParentNeeded: The layers below must be looked at, and `parent_fd` was not given.
        ResourceExhausted: The layer exceeds a limit, or the disk is full.
        FailedPrecondition: The directory has a mount point where the layer has a file.
        PermissionDenied: A file or an attribute cannot be made.
        Aborted: Another process keeps changing the directory.
        Unimplemented: The file system does not support an attribute.
        Canceled: The call was cancelled.
        DeadlineExceeded: The call's deadline has passed.
    """
    tree = _open_tree(root_fd, whiteouts, parent_fd, is_lowest=is_lowest)
    reader = TarReader(stream, progress=progress)
    layer = _LayerWriter(tree, reader, EntryWriter(tree, reader, _umask() | _SPECIAL), limits)
    keeps_times = False
    try:
        layer.run()
        keeps_times = True
    finally:
        with translated(_OPERATION):
            tree.close(keeps_times=keeps_times)
    has_unchecked = isinstance(tree, UpperTree) and tree.has_unchecked_whiteouts
    return Applied(reader.digest, reader.position, layer.entries, has_unchecked, layer.writer.root)


def _open_tree(root_fd: int, whiteouts: Whiteouts, parent_fd: int | None, *, is_lowest: bool) -> Tree:
    with translated(_OPERATION):
        root = Directory.of(b"", os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root_fd))
    root.hides_parent = is_lowest
    return MergedTree(root) if whiteouts is Whiteouts.DELETE else UpperTree(root, parent=parent_fd)


def _umask() -> int:
    """Return the umask, which umask(2) cannot read without changing it for all threads."""
    with open(_STATUS, encoding="utf-8", errors="replace") as file:
        return int(next(line.split()[1] for line in file if line.startswith("Umask:")), 8)


@attrs.define(eq=False, repr=False)
class _LayerWriter:
    tree: Tree
    reader: TarReader
    writer: EntryWriter
    limits: Limits
    entries: int = 0
    bytes: int = 0

    def run(self) -> None:
        check = current().check
        for entry in self.reader:
            self.entries += 1
            self.bytes += entry.size if entry.extents is None else sum(length for _, length in entry.extents)
            if self.entries > self.limits.entries or self.bytes > self.limits.bytes:
                raise self._exceeded(entry)
            try:
                if WHITEOUT not in entry.name or not self._delete(entry):
                    self.writer.write(entry)
            except OSError as error:
                raise _failure(error, entry) from error
            if self.entries % _CHECKED == 0:
                check()

    def _exceeded(self, entry: Entry) -> ResourceExhausted:
        """Return the error for the entry that exceeds a limit."""
        if self.entries > self.limits.entries:
            return ResourceExhausted(
                f"{_OPERATION}: it has more than {self.limits.entries} entries; raise the limit if you trust it"
            )
        return ResourceExhausted(
            f"{_OPERATION}: with {shown(entry.name)} it has more than {self.limits.bytes} bytes; raise the limit "
            "if you trust it"
        )

    def _delete(self, entry: Entry) -> bool:
        """Carry out the deletion that a `.wh.` name means; return False if the entry is a file of the tree."""
        path, name = split(entry.name)
        if is_of_aufs(entry.name):
            return True
        if is_reserved(path):
            raise InvalidArgument(
                f"{_OPERATION}: {shown(entry.name)} lies below a whiteout, a name that starts with .wh."
            )
        if not name.startswith(WHITEOUT):
            return False
        directory = self.tree.look_up(path, entry.mtime)
        if name == OPAQUE:
            self.tree.delete_all(directory)
            return True
        deleted = name.removeprefix(WHITEOUT)
        if deleted in (b"", b".", b".."):
            raise InvalidArgument(f"{_OPERATION}: {shown(entry.name)} is a whiteout that names no file")
        self.tree.delete(directory, deleted)
        return True


def _failure(error: OSError, entry: Entry) -> Error:
    name = shown(entry.name)
    if error.errno == errno.EXDEV:
        return FailedPrecondition(f"{_OPERATION}: {name} is at or below a mount point; unmount it first")
    return from_os_error(OSError(error.errno, error.strerror, name), _OPERATION)
