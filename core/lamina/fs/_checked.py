"""Directories in which no other user can put anything, opened once and worked in by descriptor."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from lamina.errdefs import FailedPrecondition, InvalidArgument, PermissionDenied
from lamina.fs._exposure import Exposure, Trust, belongs_to, directory_exposure
from lamina.fs._own_files import create_file, open_own_file, replace_file

PARENTS: Final = 0o755
"""The mode of directories that are made on the way to another one."""
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS: Final = 40
"""How many symbolic links are followed, as in path_resolution(7)."""


class CheckedDirectory:
    """A directory that the process has for itself.

    It belongs to root or to the process's user, and nobody else can write to it. The same holds for every
    directory on the way there, except that others may write to sticky ones (`/tmp`). So no other user can exchange
    any of them, the path goes on leading here, and what must be done by path is as safe as by descriptor.

    Names given to methods are those of entries: links are never followed.
    """

    def __init__(self, path: str, fd: int) -> None:
        """Use `open`."""
        self.path = path
        """Its absolute path."""
        self.fd = fd
        """Its descriptor; -1 when it is closed."""

    @classmethod
    def open(cls, path: str, *, make: int | None = None) -> Self:
        """Open a directory and check it and all that are above it.

        An empty one whose mode alone lets others write gets the mode `make` instead.

        Args:
            path: Its path.
            make: The mode of the directory, whatever the umask, where it does not exist and is to be made. Missing
                directories above it get `PARENTS`.

        Raises:
            PermissionDenied: Another user could change what is in it; the message says how, and the remedy.
            OSError: It cannot be opened or made.
        """
        path = os.path.abspath(path)
        found = _reach(path, make, Trust.of_process(), shared=False)
        try:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
        finally:
            os.close(found)
        return cls._checked(path, fd, make)

    @classmethod
    def _checked(cls, path: str, fd: int, make: int | None) -> Self:
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, fd)
            _check_own(fd, path, make)
            undo.pop_all()
            return cls(path, fd)

    def below(self, name: str, *, make: int | None = None) -> Self:
        """Open a directory in this one, as `open` does.

        Raises:
            PermissionDenied: As `open`.
            FailedPrecondition: There is no directory of that name, but a link or a file.
            OSError: It cannot be opened or made; FileNotFoundError where it does not exist and is not to be made.
        """
        path = self.path_of(name)
        try:
            fd = _enter(name, self.fd, path, make)
        except NotADirectoryError as error:
            raise FailedPrecondition(f"{path} is no directory, and should be one: mv {path} {path}.old") from error
        return self._checked(path, fd, make)

    def path_of(self, name: str) -> str:
        """The path of an entry, which leads there as long as the directory is not moved by its owner."""
        return os.path.join(self.path, name)

    def names(self) -> Iterator[str]:
        """The names of all entries, read as they are asked for. Several threads may read them at a time."""
        # dup(2) would share the position in the directory.
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    yield entry.name
        finally:
            os.close(fd)

    def has(self, name: str) -> bool:
        """Return True if there is an entry of that name, be it a link that leads nowhere."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str, limit: int = 4096) -> bytes | None:
        """What is in a small file, or None where there is none.

        Args:
            name: The file.
            limit: How many bytes are read.

        Raises:
            FailedPrecondition: As `check_own_file`.
            OSError: It cannot be read.
        """
        try:
            fd = open_own_file(self.path_of(name), os.O_RDONLY, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            return os.read(fd, limit)
        finally:
            os.close(fd)

    def create(self, name: str) -> int:
        """Open a new file; see `create_file`."""
        return create_file(name, dir_fd=self.fd)

    def replace(self, name: str, data: bytes) -> None:
        """Give a file new content, durably; see `replace_file`."""
        replace_file(name, data, dir_fd=self.fd)

    def close(self) -> None:
        """Close the descriptor. Closing twice does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def exposure_of(path: str, *, shared: bool = False, trust: Trust | None = None) -> Exposure | None:
    """Find what keeps `CheckedDirectory.open`, or `open_path`, from using a directory; None where nothing does.

    Args:
        path: Its path.
        shared: Whether it may be one like `/tmp`; see `open_path`.
        trust: As for `open_path`.

    Raises:
        OSError: It cannot be looked at.
    """
    path, trust = os.path.abspath(path), trust or Trust.of_process()
    with contextlib.ExitStack() as opened:
        for fd, exposure in _way(path, None, trust, opened, shared=shared):
            if exposure:
                return exposure
            last = fd
        return None if shared else directory_exposure(last, path, trust, shared=False)


def open_path(path: str, *, make: int | None = None, trust: Trust | None = None) -> int:
    """Open a directory that no other user can exchange for another: it may be one like `/tmp`.

    Args:
        path: Its path. Links on the way are followed where they belong to whom the process trusts.
        make: As for `CheckedDirectory.open`.
        trust: Who may own it and those above it, and write to them. By default `Trust.of_process`.

    Returns:
        A descriptor of O_PATH.

    Raises:
        PermissionDenied: Another user could exchange it; the message says how, and the remedy.
        OSError: It cannot be opened or made.
    """
    return _reach(os.path.abspath(path), make, trust or Trust.of_process(), shared=True)


def _reach(path: str, make: int | None, trust: Trust, *, shared: bool) -> int:
    """Open a directory with O_PATH, and refuse what is exposed on the way; see `_way`."""
    if "\0" in path:
        raise InvalidArgument(f"{path!r}: a path cannot contain a NUL")
    with contextlib.ExitStack() as opened:
        for fd, exposure in _way(path, make, trust, opened, shared=shared):
            if exposure:
                raise _refusal(exposure)
            last = fd
        return os.dup(last)


def _way(
    path: str, make: int | None, trust: Trust, opened: contextlib.ExitStack, *, shared: bool
) -> Iterator[tuple[int, Exposure | None]]:
    """Open each directory on the way to a path with O_PATH, from the root down, and look how it is exposed.

    The next one is opened when the caller goes on: what is found in one that is exposed is worth nothing. The last
    one is looked at as the others are if `shared`, and else not at all.
    """
    names = _names(path)
    at, shown, links = os.open("/", _LOOK | os.O_DIRECTORY), "/", 0
    opened.callback(os.close, at)
    yield at, directory_exposure(at, shown, trust, shared=True)
    while names:
        name = names.pop()
        there = os.path.join(shown, name)
        fd = _look(name, at, there, make if make is None or not names else PARENTS)
        opened.callback(os.close, fd)
        status = os.fstat(fd)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if not trust.lets_own_above(status.st_uid):
                yield at, belongs_to(status, there)
            target = os.readlink("", dir_fd=fd)
            names += _names(target)
            if target.startswith("/"):
                at, shown = os.open("/", _LOOK | os.O_DIRECTORY), "/"
                opened.callback(os.close, at)
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), there)
        at, shown = fd, os.path.normpath(there)
        if names or shared:
            yield at, directory_exposure(at, shown, trust, shared=True)
        else:
            yield at, None


def _names(path: str) -> list[str]:
    """The names in a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _look(name: str, directory: int, path: str, make: int | None) -> int:
    """Open a name with O_PATH, a directory being made where nothing is."""
    try:
        return os.open(name, _LOOK, dir_fd=directory)
    except FileNotFoundError as error:
        if make is None:
            raise FileNotFoundError(error.errno, error.strerror, path) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return _enter(name, directory, path, make)


def _enter(name: str, directory: int, path: str, make: int | None) -> int:
    """Open a directory, which is made where nothing is."""
    made = False
    try:
        if make is not None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, make, dir_fd=directory)
                made = True
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        if made and make is not None:
            os.fchmod(fd, make)  # the umask has no say in it
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return fd


def _check_own(directory: int, path: str, make: int | None) -> None:
    """Check a directory that the process has for itself; see `CheckedDirectory.open`."""
    exposure = directory_exposure(directory, path, Trust.of_process(), shared=False)
    if exposure is None:
        return
    if make is None or not exposure.by_mode or not _is_own_and_empty(directory):
        raise _refusal(exposure)
    os.fchmod(directory, make)


def _is_own_and_empty(directory: int) -> bool:
    return os.fstat(directory).st_uid == os.geteuid() and not os.listdir(directory)


def _refusal(exposure: Exposure) -> PermissionDenied:
    return PermissionDenied(
        f"{exposure.found}, who could put there what is then trusted: {exposure.remedy}, or use another directory"
    )
