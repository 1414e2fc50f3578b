"""Describe a snapshotter to the conformance suite."""

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
    """The optional features and limits of a snapshotter, within the contract.

    A check that a trait rules out is skipped with the reason. If the contract requires `Unimplemented` instead,
    that is checked.
    """

    max_key_bytes: int = 32_768
    """The maximum length of a key or name in bytes. The default is that of containerd's metadata store."""
    in_process: bool = True
    """True if it runs in the caller's process. One behind a socket raises containerd's error classes, not lamina's
    subclasses of them, and may complete a call that the caller has cancelled."""
    reopens: bool = True
    """True if snapshots persist when it is closed and reopened on the same data."""
    cleanup: bool = True
    """True if it implements `cleanup`."""
    keyspaces: bool = True
    """True if it implements `keyspace`."""
    rebase: bool = False
    """True if a commit can set the parent of a snapshot without one, and apply its overlay whiteouts."""
    renames_directories: bool = True
    """True if directories of a parent can be renamed; if not, rename(2) fails with EXDEV, as on overlay."""
    filesystem_entries: frozenset[str] = frozenset()
    """Names that the file system creates in each root directory, such as `lost+found` on ext4."""


@attrs.frozen
class SnapshotterFactory:
    """Opens an empty snapshotter for each check."""

    name: str
    """Part of the test ids; `--snapshotter NAME` selects it."""
    open: Callable[[Path], AbstractContextManager[Snapshotter]]
    """Opens a snapshotter in an existing directory, and closes it at the end of the block."""
    traits: Traits = Traits()
    environment: Callable[[Path], AbstractContextManager[object]] = contextlib.nullcontext
    """Prepares the directory for the duration of a check, for example by mounting a file system. It is entered
    before the snapshotter is first opened, and exited after it is last closed."""
    data: Callable[[Path], Collection[str]] | None = None
    """Lists the data of snapshots in the directory given to `open`, one name each, including leftovers of removed
    ones. None disables the checks for leftover data."""
    marks: tuple[pytest.MarkDecorator, ...] = ()
    """Pytest marks for all its checks, such as `skipif`."""
