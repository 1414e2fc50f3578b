"""What the suite has to know of a snapshotter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import pytest

from lamina.snapshots import Snapshotter


@attrs.frozen
class Traits:
    """In what a snapshotter may differ from others and still keep the contract.

    A check that a trait makes pointless is skipped with the reason. Where the contract says what happens instead
    (`Unimplemented`), that is checked.
    """

    max_key_bytes: int = 32_768
    """The most bytes that a key or name may have. The default is that of containerd's store."""
    in_process: bool = True
    """Whether it works in the caller's process. One behind a socket raises containerd's error classes, without
    lamina's subclasses of them, and may finish a call that its caller has given up."""
    reopens: bool = True
    """Whether one that is opened on the data of a closed one has what that one had."""
    cleanup: bool = True
    """Whether it has `cleanup`."""
    keyspaces: bool = True
    """Whether it has `keyspace`."""
    rebase: bool = False
    """Whether a snapshot without a parent can be given one at commit, with whiteouts as overlay has them."""
    renames_directories: bool = True
    """Whether a directory of a parent can be renamed; else rename(2) fails with EXDEV, as on overlay."""
    filesystem_entries: frozenset[str] = frozenset()
    """Names that the file system itself makes in each root, as ext4 makes `lost+found`."""


@attrs.frozen
class SnapshotterFactory:
    """Opens snapshotters of one kind for the checks: one, with nothing in it, for each."""

    name: str
    """Stands in the ids of the checks, and chooses them: `--snapshotter NAME`."""
    open: Callable[[Path], AbstractContextManager[Snapshotter]]
    """Opens a snapshotter on an existing directory that is the check's own, and closes it at the block's end."""
    traits: Traits = Traits()
    environment: Callable[[Path], AbstractContextManager[object]] = contextlib.nullcontext
    """What the directory needs as long as the check lasts, such as a file system mounted in it; entered before the
    snapshotter is opened first, and left after it was closed last."""
    data: Callable[[Path], Collection[str]] | None = None
    """What is kept for snapshots in a directory given to `open`, one name each, removed ones too while anything is
    left of them. None: it cannot be told, and what is left behind is not looked at."""
    marks: tuple[pytest.MarkDecorator, ...] = ()
    """Marks for all of its checks, such as `skipif`."""
