"""Comparisons of the trees of two snapshots."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import attrs

from lamina.errdefs import FailedPrecondition, translated
from lamina.layers.applying._paths import WHITEOUT, shown
from lamina.layers.comparing._change import Change
from lamina.layers.comparing._node import Node
from lamina.layers.comparing._scan import scan
from lamina.layers.comparing._trees import Trees, opened_trees
from lamina.layers.comparing._writing import EntrySource
from lamina.mount import Mount

if TYPE_CHECKING:
    from lamina.layers.tar import TarWriter

_SECOND: Final = 1_000_000_000
_RESERVED: Final = os.fsdecode(WHITEOUT)


@contextmanager
def opened_comparison(lower: Sequence[Mount], upper: Sequence[Mount]) -> Iterator[Comparison]:
    """Mount two trees read-only, and compare them. They stay mounted for the duration of the `with` block.

    Of overlays that have layers in common, only the directories on top of those are read, and the cost depends on
    what they have. Other trees are walked side by side. The result is the same. Memory is needed for what differs
    and for files with several names.

    The trees may change meanwhile; the result then has some of the changes.

    Args:
        lower: The mounts of the earlier tree, as its snapshotter returned them; none for an empty tree, whose root
            directory has mode 0755 and belongs to 0:0.
        upper: The mounts of the later tree.

    Raises:
        FailedPrecondition: The kernel refused a mount (`MountFailed`).
        PermissionDenied: A file or directory cannot be read, or another user could replace a directory.
        NotFound: A directory of the mounts is missing.
        Aborted: A directory changed while it was read.
        Canceled, DeadlineExceeded: The current call ended.
    """
    with opened_trees(lower, upper) as trees:
        yield compare(trees)


def compare(trees: Trees) -> Comparison:
    """Compare two trees, which stay open for as long as the comparison is used.

    Raises:
        Error: As `opened_comparison`.
    """
    with translated("compare trees"):
        return Comparison(trees.upper, scan(trees))


@attrs.frozen(eq=False, repr=False)
class Comparison:
    """The differences between two trees, in the order in which a layer has them."""

    _root: int
    _nodes: Sequence[Node]

    @property
    def changes(self) -> Iterator[Change]:
        """The differences. The directories that they are in are left out, unless they differ themselves.

        The trees need no longer be open.
        """
        path = bytearray()
        directories: list[tuple[Node, int]] = []
        """Those that the path leads through, each with the length of its path."""
        for node in self._nodes:
            while directories and directories[-1][0] is not node.parent:
                directories.pop()
            del path[directories[-1][1] if directories else 0 :]
            path += os.fsencode(node.name)
            if node.kind is not None:
                yield Change(node.kind, bytes(path), node.size)
            if node.is_directory and node.parent is not None:
                path += b"/"
                directories.append((node, len(path)))

    def write(
        self,
        writer: TarWriter,
        *,
        source_date_epoch: int | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write the entries of the layer that turns the earlier tree into the later one.

        Args:
            writer: The writer to add them to. It is not closed.
            source_date_epoch: The time of directories, and the latest time that a file gets, in seconds since 1970
                (the environment variable SOURCE_DATE_EPOCH of reproducible-builds.org). By default that of the
                newest file in the layer, to the nanosecond.
            progress: Called from time to time with the number of bytes of file data that are done.

        Returns:
            The number of entries; 0 if the trees are equal.

        Raises:
            FailedPrecondition: A name begins with `.wh.`, which layers keep for deletions.
            Aborted: A file changed while it was read.
            PermissionDenied: A file cannot be read.
            Canceled, DeadlineExceeded: The current call ended.
        """
        for node in self._nodes:
            if node.name.startswith(_RESERVED):
                raise FailedPrecondition(
                    f"write a layer: {shown(node.path)} has a name that starts with .wh., which layers keep for "
                    "deletions; rename or remove it"
                )
        epoch = self._newest() if source_date_epoch is None else source_date_epoch * _SECOND
        with translated("write a layer"):
            EntrySource(writer, epoch, progress).write(self._root, self._nodes)
        return len(self._nodes)

    def _newest(self) -> int:
        """Return the newest time of anything but a directory, in nanoseconds; 0 if there is nothing else."""
        return max((node.mtime for node in self._nodes if node.mtime is not None), default=0)
