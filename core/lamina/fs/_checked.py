"""Directories in which no other user can put anything, opened once and worked in by descriptor."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from lamina.errdefs import FailedPrecondition, PermissionDenied
from lamina.fs._exposure import Exposure, Trust, belongs_to, directory_exposure, file_exposure

PARENTS: Final = 0o755
"""The mode of directories that are made on the way to another one."""
UNFINISHED: Final = ".new"
"""Ends the name of a file that is being written."""
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS: Final = 40
"""How many symbolic links are followed, as in path_resolution(7)."""
_SAFE_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK a FIFO in the file's place would keep the process waiting (fifo(7))."""


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
        found = open_path(path, make=make)
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

    def has(self, name: str) -> bool:
        """Return True if there is an entry of that name, be it a link that leads nowhere."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def check_file(self, name: str) -> bool:
        """Check that an entry that others open by path is a file of the process's own; return False where none is.

        Raises:
            FailedPrecondition: It is a link, a FIFO or anything else than a file that has this name alone; or
                another user's.
        """
        try:
            status = os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        _check_file(status, self.path_of(name))
        return True

    def read_text(self, name: str, limit: int = 4096) -> str | None:
        """What is in a small file, or None where there is none.

        Args:
            name: The file.
            limit: How many bytes are read.

        Raises:
            FailedPrecondition: As `check_file`.
            OSError: It cannot be read.
        """
        try:
            fd = open_file(self.path_of(name), os.O_RDONLY, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            return os.read(fd, limit).decode("utf-8", "replace")
        finally:
            os.close(fd)

    def create(self, name: str) -> int:
        """Open a new empty file for writing, mode 0600, in place of whatever has the name.

        Raises:
            OSError: It cannot be made; IsADirectoryError where a directory has the name.
        """
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.fd)
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE_FILE, 0o600, dir_fd=self.fd)

    def replace_text(self, name: str, text: str) -> None:
        """Give a file new content, durably: all of it or, after a crash, the old one.

        Raises:
            OSError: The file is as it was.
        """
        with open(self.create(name + UNFINISHED), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name + UNFINISHED, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        os.fsync(self.fd)

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


def open_file(path: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
    """Open a file that must be the process's own; see `CheckedDirectory.check_file`.

    Args:
        path: The file. The last name is looked up in `dir_fd`, if that is given.
        flags: As open(2); not O_TRUNC.
        mode: The mode of a file that is made.
        dir_fd: The directory that it is in.

    Raises:
        FailedPrecondition: As `CheckedDirectory.check_file`.
        OSError: It cannot be opened.
    """
    name = path if dir_fd is None else os.path.basename(path)
    try:
        fd = os.open(name, flags | _SAFE_FILE, mode, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a directory, a socket: say so
            _check_file(os.stat(name, dir_fd=dir_fd, follow_symlinks=False), path)
        raise OSError(error.errno, error.strerror, path) from error
    try:
        _check_file(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def exposure_of(path: str, *, shared: bool = False) -> Exposure | None:
    """Find what keeps `CheckedDirectory.open`, or `open_path`, from using a directory; None where nothing does.

    Args:
        path: Its path.
        shared: Whether it may be one like `/tmp`; see `open_path`.

    Raises:
        OSError: It cannot be looked at.
    """
    path = os.path.abspath(path)
    trust = Trust.of_process()
    with contextlib.ExitStack() as opened:
        for fd, shown, exposure in _way(path, None, trust, opened):
            if exposure:
                return exposure
            last = fd, shown
        return None if shared else directory_exposure(*last, trust, shared=False)


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
    with contextlib.ExitStack() as opened:
        for fd, _, exposure in _way(os.path.abspath(path), make, trust or Trust.of_process(), opened):
            if exposure:
                raise _refusal(exposure)
            last = fd
        return os.dup(last)


def _way(
    path: str, make: int | None, trust: Trust, opened: contextlib.ExitStack
) -> Iterator[tuple[int, str, Exposure | None]]:
    """The directories on the way to a path, from the root down, and that one, as descriptors of O_PATH.

    Each is to be looked at before the next one is opened: what is found in one that is exposed is worth nothing.
    """
    at, shown, links = os.open("/", _LOOK | os.O_DIRECTORY), "/", 0
    names = path.split("/")[::-1]
    opened.callback(os.close, at)
    yield at, shown, directory_exposure(at, shown, trust, shared=True)
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        there = os.path.join(shown, name)
        last = not any(names)
        fd = _look(name, at, there, make if last or make is None else PARENTS)
        opened.callback(os.close, fd)
        status = os.fstat(fd)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if status.st_uid not in trust.users | trust.outside:
                yield at, shown, belongs_to(status, there)
            target = os.readlink("", dir_fd=fd)
            names += target.split("/")[::-1]
            if target.startswith("/"):
                at, shown = os.open("/", _LOOK | os.O_DIRECTORY), "/"
                opened.callback(os.close, at)
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), there)
        at, shown = fd, os.path.normpath(there)
        yield at, shown, directory_exposure(at, shown, trust, shared=True)


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


def _check_file(status: os.stat_result, path: str) -> None:
    exposure = file_exposure(status, path, Trust.of_process())
    if exposure:
        raise FailedPrecondition(f"{exposure.found}; it is not touched: {exposure.remedy}")


def _refusal(exposure: Exposure) -> PermissionDenied:
    return PermissionDenied(
        f"{exposure.found}, who could put there what is then trusted: {exposure.remedy}, or use another directory"
    )
