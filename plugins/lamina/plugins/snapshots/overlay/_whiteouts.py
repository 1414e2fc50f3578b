"""Whiteouts and opaque directories, by which a layer deletes what lower layers contain.

A whiteout is a character device 0:0, and an opaque directory has an extended attribute (overlayfs.rst, "whiteouts
and opaque directories").
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import Final

from lamina.fs import opened, read_xattr, xattr_names

TRUSTED_PREFIX: Final = "trusted.overlay."
"""The prefix of the attributes that overlayfs reserves for itself. containerd uses it for every unpack."""
_OPAQUE: Final = b"y"
"""The value of the attribute. A directory whose attribute has another value is merged."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_whiteout(status: os.stat_result) -> bool:
    """Return whether a file is a whiteout."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


class WhiteoutRemover:
    """A `lamina.fs.TreeVisitor` that removes whiteouts and opaque attributes from a layer without lower layers.

    A bind mount of the layer would show them. The times of directories are preserved.
    """

    def __init__(self, xattr_prefix: str) -> None:
        """Remove nothing yet.

        Args:
            xattr_prefix: The prefix of overlayfs's attributes under the mount options in use.
        """
        self._xattr_prefix = xattr_prefix

    def visit_directory(self, fd: int, names: tuple[str, ...]) -> None:
        """Remove the attribute of an opaque directory."""
        for name in _opaque_attributes(self._xattr_prefix):
            if read_xattr(fd, name) is not None:
                os.removexattr(fd, name)

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> bool:
        """Remove a whiteout."""
        if not is_whiteout(status):
            return False
        _remove(directory, name)
        return True


class WhiteoutAdapter:
    """A `lamina.fs.TreeVisitor` that adapts what containerd has unpacked to the lower layers.

    It removes the whiteouts of directories that no lower layer has, or that are opaque: overlayfs does not merge
    such a directory, and lists its whiteouts as names of files that do not exist. It renames the attribute of
    opaque directories for mounts with `userxattr`. The times of directories are preserved.
    """

    def __init__(self, xattr_prefix: str, lower: Sequence[str]) -> None:
        """Adapt nothing yet.

        Args:
            xattr_prefix: As for `WhiteoutRemover`.
            lower: The root directories of the lower layers, the uppermost first.
        """
        self._xattr_prefix = xattr_prefix
        self._lower = lower
        self._names: tuple[str, ...] = ()
        self._merged: dict[tuple[str, ...], Sequence[str] | None] = {}
        """The directories that overlayfs merges with a directory of the layer; None if that is not known."""

    def visit_directory(self, fd: int, names: tuple[str, ...]) -> None:
        """Note an opaque or redirected directory, and rename its attribute."""
        self._names = names
        if self._xattr_prefix != TRUSTED_PREFIX and read_xattr(fd, f"{TRUSTED_PREFIX}opaque") is not None:
            os.setxattr(fd, f"{self._xattr_prefix}opaque", _OPAQUE)
            os.removexattr(fd, f"{TRUSTED_PREFIX}opaque")
        if not names:
            return  # overlayfs merges root directories whatever their attributes are
        if read_xattr(fd, f"{self._xattr_prefix}opaque") == _OPAQUE:
            self._merged[names] = ()
        elif read_xattr(fd, f"{self._xattr_prefix}redirect") is not None:
            self._merged[names] = None

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> bool:
        """Remove a whiteout, unless the directory is merged with others."""
        if not is_whiteout(status):
            return False
        merged = self._merged_with(self._names)
        if merged is None or merged:
            return False
        _remove(directory, name)
        return True

    def _merged_with(self, names: tuple[str, ...]) -> Sequence[str] | None:
        merged: Sequence[str] | None = self._lower
        for end in range(1, len(names) + 1):
            path = names[:end]
            if path not in self._merged:
                self._merged[path] = self._below(merged, path[-1])
            merged = self._merged[path]
        return merged

    def _below(self, merged: Sequence[str] | None, name: str) -> Sequence[str] | None:
        """Return the directories of a name in merged directories, down to what hides the rest."""
        if merged is None:
            return None
        directories = []
        for path in (f"{directory}/{name}" for directory in merged):
            try:
                if not stat.S_ISDIR(os.lstat(path).st_mode):
                    break
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
                return None
            if read_xattr(path, f"{self._xattr_prefix}redirect") is not None:
                return None
            directories.append(path)
            if read_xattr(path, f"{self._xattr_prefix}opaque") == _OPAQUE:
                break
        return directories


def _remove(directory: int, whiteout: str) -> None:
    before = os.fstat(directory)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(whiteout, dir_fd=directory)
    os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))


def is_opaque(root: str, xattr_prefix: str) -> bool:
    """Return whether a layer's root directory has an opaque attribute; True if its attributes cannot be read.

    Args:
        root: The root directory of the layer.
        xattr_prefix: As for `WhiteoutRemover`.
    """
    try:
        names = xattr_names(root)
    except OSError:
        return True
    return not _opaque_attributes(xattr_prefix).isdisjoint(names)


def expand_opaque_root(root: str, lower: Iterable[str], xattr_prefix: str) -> None:
    """Replace the opaque attribute of a layer's root directory, which overlayfs ignores there.

    Each name in the lower layers gets a whiteout, or the attribute if the layer has a directory of that name.

    Args:
        root: The root directory of the layer.
        lower: The root directories of the lower layers.
        xattr_prefix: As for `WhiteoutRemover`.

    Raises:
        OSError: A system call failed. The attribute is kept, so that the call can be repeated.
    """
    with opened(root, _DIRECTORY) as fd:
        attributes = [name for name in _opaque_attributes(xattr_prefix) if read_xattr(fd, name) is not None]
        if not attributes:
            return
        before = os.fstat(fd)
        for name in {name for layer in lower for name in os.listdir(layer)}:
            _hide(fd, name, f"{xattr_prefix}opaque")
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        for attribute in attributes:
            os.removexattr(fd, attribute)


def _opaque_attributes(xattr_prefix: str) -> set[str]:
    """Return the attributes by which overlayfs or containerd mark an opaque directory."""
    return {f"{prefix}opaque" for prefix in (xattr_prefix, TRUSTED_PREFIX)}


def _hide(root: int, name: str, attribute: str) -> None:
    """Hide a name of the lower layers, unless a file of the layer already does."""
    try:
        os.mknod(name, stat.S_IFCHR, dir_fd=root)
    except FileExistsError:
        with contextlib.suppress(NotADirectoryError), opened(name, _DIRECTORY, dir_fd=root) as fd:
            os.setxattr(fd, attribute, _OPAQUE)
