"""Secure directories: only root and the process's user can create, rename or delete anything in them.

The term is that of SEI CERT C rule FIO15-C, "Ensure that file operations are performed in a secure directory".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Self

from lamina.errdefs import FailedPrecondition
from lamina.fs._descriptor import opened
from lamina.fs._exposure import Trust, directory_exposure
from lamina.fs._safe_open import create_file, open_secure_file, replace_file
from lamina.fs._trusted_path import open_or_create, refusal, resolve


class SecureDirectory:
    """A directory that no other user can change, opened once and used through its descriptor.

    Root or the process's user owns it, and nobody else can write to it. The same holds for its ancestors, except
    that others may write to sticky ones (`/tmp`). Therefore no other user can replace a component of its path,
    and operations that need the path are as safe as those that use the descriptor.

    Methods take the names of entries and never follow symbolic links.
    """

    def __init__(self, path: str, fd: int) -> None:
        """Use `open` instead."""
        self.path = path
        """The absolute path."""
        self.fd = fd
        """The descriptor; -1 after `close`."""

    @classmethod
    def open(cls, path: str, *, create_mode: int | None = None) -> Self:
        """Open a directory, and verify it and its ancestors.

        If only the mode of the directory lets others write, and it is empty, it gets `create_mode`.

        Args:
            path: The directory.
            create_mode: The mode with which a missing directory is created, whatever the umask; None to create
                none. Missing parents get `PARENT_MODE`.

        Raises:
            PermissionDenied: Another user could change the directory. The message says how, and the remedy.
            OSError: The directory cannot be opened or created.
        """
        path = os.path.abspath(path)
        resolved = resolve(path, create_mode, Trust.of_process(), shared=False)
        try:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=resolved)
        finally:
            os.close(resolved)
        return cls._verified(path, fd, create_mode)

    @classmethod
    def _verified(cls, path: str, fd: int, create_mode: int | None) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, fd)
            _verify(fd, path, create_mode)
            undo.pop_all()
            return cls(path, fd)

    def subdirectory(self, name: str, *, create_mode: int | None = None) -> Self:
        """Open a directory in this one, as `open` does.

        Raises:
            PermissionDenied: As for `open`.
            FailedPrecondition: The entry is not a directory.
            OSError: The directory cannot be opened or created; FileNotFoundError if it is missing and
                `create_mode` is None.
        """
        path = self.path_of(name)
        try:
            fd = open_or_create(name, self.fd, path, create_mode)
        except NotADirectoryError as error:
            raise FailedPrecondition(f"{path} is not a directory: mv {path} {path}.old") from error
        return self._verified(path, fd, create_mode)

    def path_of(self, name: str) -> str:
        """Return the path of an entry. It stays valid until the owner moves the directory."""
        return os.path.join(self.path, name)

    def names(self) -> Iterator[str]:
        """Yield the names of all entries. Several threads may iterate at the same time."""
        # A descriptor from dup(2) would share the position in the directory.
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        with opened(".", flags, dir_fd=self.fd) as fd, os.scandir(fd) as entries:
            for entry in entries:
                yield entry.name

    def has(self, name: str) -> bool:
        """Return whether an entry exists; a dangling symbolic link counts."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str, limit: int = 4096) -> bytes | None:
        """Read a small file; return None if it does not exist.

        Args:
            name: The file.
            limit: The number of bytes to read at most.

        Raises:
            FailedPrecondition: As for `check_secure_file`.
            OSError: The file cannot be read.
        """
        try:
            fd = open_secure_file(self.path_of(name), os.O_RDONLY, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            return os.read(fd, limit)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path_of(name)) from error
        finally:
            os.close(fd)

    def create(self, name: str) -> int:
        """Open a new file; see `create_file`."""
        return create_file(name, dir_fd=self.fd)

    def replace(self, name: str, data: bytes) -> None:
        """Replace the content of a file durably; see `replace_file`."""
        replace_file(name, data, dir_fd=self.fd)

    def close(self) -> None:
        """Close the descriptor. Closing twice does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _verify(directory: int, path: str, create_mode: int | None) -> None:
    """Verify the directory itself, and set its mode if that suffices; see `SecureDirectory.open`."""
    exposure = directory_exposure(directory, path, Trust.of_process(), shared=False)
    if exposure is None:
        return
    is_own = os.fstat(directory).st_uid == os.geteuid()
    if create_mode is None or not exposure.by_mode or not is_own or os.listdir(directory):
        raise refusal(exposure)
    os.fchmod(directory, create_mode)
