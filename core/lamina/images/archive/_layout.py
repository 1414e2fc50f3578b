"""The place of the files of an exported archive: in a tar archive, or in a directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from lamina.errdefs import translated
from lamina.fs import fsync, opened, write_all
from lamina.fs.new_file import new_file
from lamina.images.archive._staging import new_directory
from lamina.layers import Entry, EntryType, TarWriter

AddFile: TypeAlias = Callable[[str, int, Iterable[bytes]], None]
"""Adds a file, given its path, its size in bytes and its data. Files come in the order of their paths."""


@contextlib.contextmanager
def new_archive(path: str) -> Iterator[AddFile]:
    """Write a tar archive, which appears, durably, at the end of the block; as `new_file`."""
    with new_file(path) as fd:

        def write(data: bytes | memoryview) -> None:
            with translated(f"write {path}"):
                write_all(fd, data)

        writer, directories = TarWriter(write), set[str]()

        def add(name: str, size: int, data: Iterable[bytes]) -> None:
            for directory in _directories_above(name):
                if directory not in directories:
                    directories.add(directory)
                    writer.add(Entry(directory.encode(), EntryType.DIRECTORY, 0o755))
            writer.add(Entry(name.encode(), EntryType.FILE, 0o644, size=size), data)

        yield add
        writer.close()


@contextlib.contextmanager
def new_tree(path: str) -> Iterator[AddFile]:
    """Write a directory, which appears, durably, at the end of the block; as `new_directory`."""
    with new_directory(path) as root, contextlib.ExitStack() as opened_directories:
        directories = {"": root}

        def directory_of(name: str) -> int:
            above, last = os.path.split(name)
            if name not in directories:
                parent = directory_of(above)
                os.mkdir(last, 0o700, dir_fd=parent)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                directories[name] = opened_directories.enter_context(opened(last, flags, dir_fd=parent))
            return directories[name]

        def add(name: str, _: int, data: Iterable[bytes]) -> None:
            above, last = os.path.split(name)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with translated(f"write {path}"), opened(last, flags, 0o600, dir_fd=directory_of(above)) as fd:
                for piece in data:
                    write_all(fd, piece)
                fsync(fd)

        yield add
        with translated(f"write {path}"):
            for fd in directories.values():
                fsync(fd)


def _directories_above(name: str) -> Iterator[str]:
    """Yield the paths of the directories above a file, from the root down."""
    above = os.path.dirname(name)
    if above:
        yield from _directories_above(above)
        yield above
