"""Whiteouts and opaque directories, by which a layer deletes what lower layers contain.

A whiteout is a character device 0:0, and an opaque directory has an extended attribute (overlayfs.rst, "whiteouts
and opaque directories").

A client should not write to a snapshot that it commits. If it does, none of its files is lost, and no commit fails
because a file vanished or was replaced between a check and a change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Sequence
from typing import Final

from lamina.context import current
from lamina.errdefs import Aborted
from lamina.fs import opened, read_xattr, remove_tree, remove_xattr, rename_new, xattr_names

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

    def __init__(self, xattr_prefix: str, aside: str) -> None:
        """Remove nothing yet.

        Args:
            xattr_prefix: The prefix of overlayfs's attributes under the mount options in use.
            aside: A path beside the layer, on the same file system (`remove_whiteout`).
        """
        self._xattr_prefix = xattr_prefix
        self._aside = aside

    def visit_directory(self, fd: int, names: tuple[str, ...]) -> None:
        """Remove the attribute of an opaque directory."""
        for name in _opaque_attributes(self._xattr_prefix):
            if read_xattr(fd, name) is not None:
                remove_xattr(fd, name)

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> os.stat_result | None:
        """Remove a whiteout."""
        return remove_whiteout(directory, name, self._aside) if is_whiteout(status) else status


class WhiteoutAdapter:
    """A `lamina.fs.TreeVisitor` that adapts what containerd has unpacked to the lower layers.

    It removes the whiteouts of directories that no lower layer has, or that are opaque: overlayfs does not merge
    such a directory, and lists its whiteouts as names of files that do not exist. It renames the attribute of
    opaque directories for mounts with `userxattr`. The times of directories are preserved.
    """

    def __init__(self, xattr_prefix: str, lower: Sequence[str], aside: str) -> None:
        """Adapt nothing yet.

        Args:
            xattr_prefix: As for `WhiteoutRemover`.
            lower: The root directories of the lower layers, the uppermost first.
            aside: As for `WhiteoutRemover`.
        """
        self._xattr_prefix = xattr_prefix
        self._lower = lower
        self._aside = aside
        self._names: tuple[str, ...] = ()
        self._merged: dict[tuple[str, ...], Sequence[str] | None] = {}
        """The directories that overlayfs merges with a directory of the layer; None if that is not known."""

    def visit_directory(self, fd: int, names: tuple[str, ...]) -> None:
        """Note an opaque or redirected directory, and rename its attribute."""
        self._names = names
        if self._xattr_prefix != TRUSTED_PREFIX and read_xattr(fd, f"{TRUSTED_PREFIX}opaque") is not None:
            os.setxattr(fd, f"{self._xattr_prefix}opaque", _OPAQUE)
            remove_xattr(fd, f"{TRUSTED_PREFIX}opaque")
        if not names:
            return  # overlayfs merges root directories whatever their attributes are
        if read_xattr(fd, f"{self._xattr_prefix}opaque") == _OPAQUE:
            self._merged[names] = ()
        elif read_xattr(fd, f"{self._xattr_prefix}redirect") is not None:
            self._merged[names] = None

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> os.stat_result | None:
        """Remove a whiteout, unless the directory is merged with others."""
        if not is_whiteout(status):
            return status
        merged = self._merged_with(self._names)
        if merged is None or merged:
            return status
        return remove_whiteout(directory, name, self._aside)

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


def remove_whiteout(directory: int, name: str, aside: str) -> os.stat_result | None:
    """Remove a whiteout from a directory, whose times stay.

    It is moved aside before it is inspected, because a client may have just replaced it by a file or a directory,
    which unlink(2) would delete.

    Args:
        directory: The descriptor of the directory.
        name: The name that the whiteout had a moment ago.
        aside: A path on the same file system. A file that an interrupted commit left there is deleted.

    Returns:
        The status of the file that has replaced the whiteout, and stays; None if the name is gone.

    Raises:
        Aborted: A client has replaced it twice. The earlier replacement is at `aside`.
        OSError: A system call failed.
    """
    if os.path.lexists(aside):
        remove_tree(aside)
    before = os.fstat(directory)
    try:
        rename_new(name, aside, src_dir_fd=directory)
    except FileNotFoundError:
        return None
    found = os.lstat(aside)
    is_removed = is_whiteout(found)
    if is_removed:
        os.unlink(aside)
    else:
        put_back(aside, directory, name)
    os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
    return None if is_removed else found


def put_back(aside: str, directory: int, name: str) -> None:
    """Give a file that was moved aside its name back.

    Raises:
        Aborted: Another one has the name now.
        OSError: A system call failed.
    """
    try:
        rename_new(aside, name, dst_dir_fd=directory)
    except FileExistsError:
        raise Aborted(
            f"a client keeps writing to the snapshot while it is committed: unmount it, and commit it again. What "
            f"was {name!r} is at {aside} until then"
        ) from None


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
            remove_xattr(fd, attribute)


def _opaque_attributes(xattr_prefix: str) -> set[str]:
    """Return the attributes by which overlayfs or containerd mark an opaque directory."""
    return {f"{prefix}opaque" for prefix in (xattr_prefix, TRUSTED_PREFIX)}


def _hide(root: int, name: str, attribute: str) -> None:
    """Hide a name of the lower layers, unless a file of the layer already does."""
    while True:
        current().check()
        with contextlib.suppress(FileExistsError):
            os.mknod(name, stat.S_IFCHR, dir_fd=root)
            return
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile: it would show the lower one
            _make_opaque(root, name, attribute)
            return


def _make_opaque(root: int, name: str, attribute: str) -> None:
    """Mark a directory of the layer as opaque; a file needs no mark."""
    with contextlib.suppress(NotADirectoryError), opened(name, _DIRECTORY, dir_fd=root) as fd:
        os.setxattr(fd, attribute, _OPAQUE)
