"""Resolve a path and verify that no other user can redirect it, as sshd and sudo do with the files they trust.

Each component is opened with O_PATH beneath the one before and checked there, so that the result does not depend
on what happens to the path meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import InvalidArgument, PermissionDenied
from lamina.fs._exposure import Exposure, Trust, belongs_to, directory_exposure

PARENT_MODE: Final = 0o755
"""The mode of missing parent directories that are created."""
_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS: Final = 40
"""Maximum number of symbolic links followed, as in path_resolution(7)."""


def open_path(path: str, *, create_mode: int | None = None, trust: Trust | None = None) -> int:
    """Open a directory that no other user can replace. It may be sticky and writable by everyone, as `/tmp` is.

    Args:
        path: The directory. Symbolic links are followed if a trusted user owns them.
        create_mode: As for `SecureDirectory.open`.
        trust: The owners and writers of the directory and its ancestors to accept; `Trust.of_process` by default.

    Returns:
        An O_PATH descriptor.

    Raises:
        PermissionDenied: Another user could replace the directory. The message says how, and the remedy.
        OSError: The directory cannot be opened or created.
    """
    return resolve(os.path.abspath(path), create_mode, trust or Trust.of_process(), shared=True)


def exposure_of(path: str, *, shared: bool = False, trust: Trust | None = None) -> Exposure | None:
    """Return why `SecureDirectory.open`, or `open_path`, would refuse a directory; None if it would not.

    Args:
        path: The directory.
        shared: Check as `open_path` does, not as `SecureDirectory.open` does.
        trust: As for `open_path`.

    Raises:
        OSError: The directory cannot be inspected.
    """
    path, trust = os.path.abspath(path), trust or Trust.of_process()
    with contextlib.ExitStack() as stack:
        for fd, exposure in _components(path, None, trust, stack, shared=shared):
            if exposure:
                return exposure
            last = fd
        return None if shared else directory_exposure(last, path, trust, shared=False)


def resolve(path: str, create_mode: int | None, trust: Trust, *, shared: bool) -> int:
    """Open a directory with O_PATH and verify its ancestors; if `shared`, the directory itself as well.

    Raises:
        PermissionDenied: Another user could redirect the path.
        InvalidArgument: The path contains a NUL.
        OSError: The directory cannot be opened or created.
    """
    if "\0" in path:
        raise InvalidArgument(f"{path!r}: a path cannot contain a NUL")
    with contextlib.ExitStack() as stack:
        for fd, exposure in _components(path, create_mode, trust, stack, shared=shared):
            if exposure:
                raise refusal(exposure)
            last = fd
        return os.dup(last)


def open_or_create(name: str, directory: int, path: str, create_mode: int | None) -> int:
    """Open a directory by its name in another one, and create it first if `create_mode` is given.

    Args:
        name: A name in `directory`. A symbolic link is not followed.
        directory: The descriptor of the parent directory.
        path: The path that errors name.
        create_mode: The mode of a directory that is created; None to create none.

    Raises:
        OSError: The directory cannot be opened or created.
    """
    created = False
    try:
        if create_mode is not None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, create_mode, dir_fd=directory)
                created = True
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        if created and create_mode is not None:
            os.fchmod(fd, create_mode)  # whatever the umask
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return fd


def refusal(exposure: Exposure) -> PermissionDenied:
    """Return the error for a directory that other users could change."""
    return PermissionDenied(
        f"{exposure.found}, who could plant files that lamina would trust: {exposure.remedy}, or use another "
        "directory"
    )


def _components(
    path: str, create_mode: int | None, trust: Trust, stack: contextlib.ExitStack, *, shared: bool
) -> Iterator[tuple[int, Exposure | None]]:
    """Yield the O_PATH descriptor and the exposure of each directory on a path, from the root down.

    A component is opened only when the caller asks for it, since nothing found in an exposed directory can be
    trusted. The last one is checked like its ancestors if `shared`, and not at all otherwise.
    """
    names = _names(path)
    at, at_path, links = os.open("/", _PATH | os.O_DIRECTORY), "/", 0
    stack.callback(os.close, at)
    yield at, directory_exposure(at, at_path, trust, shared=True)
    while names:
        name = names.pop()
        next_path = os.path.join(at_path, name)
        fd = _open_component(name, at, next_path, create_mode if create_mode is None or not names else PARENT_MODE)
        stack.callback(os.close, fd)
        status = os.fstat(fd)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if not trust.may_own_ancestor(status.st_uid):
                yield at, belongs_to(status, next_path)
            target = os.readlink("", dir_fd=fd)
            names += _names(target)
            if target.startswith("/"):
                at, at_path = os.open("/", _PATH | os.O_DIRECTORY), "/"
                stack.callback(os.close, at)
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), next_path)
        at, at_path = fd, os.path.normpath(next_path)
        if names or shared:
            yield at, directory_exposure(at, at_path, trust, shared=True)
        else:
            yield at, None


def _names(path: str) -> list[str]:
    """Return the components of a path, last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _open_component(name: str, directory: int, path: str, create_mode: int | None) -> int:
    """Open a name with O_PATH; if it does not exist and `create_mode` is given, create a directory."""
    try:
        return os.open(name, _PATH, dir_fd=directory)
    except FileNotFoundError as error:
        if create_mode is None:
            raise FileNotFoundError(error.errno, error.strerror, path) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    return open_or_create(name, directory, path, create_mode)
