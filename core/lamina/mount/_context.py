"""The file system context of fsopen(2): a file system is configured step by step, then mounted."""

from __future__ import annotations

import errno
import functools
import os
from typing import Self

from lamina.mount import _syscalls


class FilesystemContext:
    """A file system under construction.

    Every method raises OSError if the kernel refuses; the notes of the error name the parameter and repeat the
    kernel's messages. Use it in a `with` block, which closes the descriptor.
    """

    def __init__(self, fs_type: str) -> None:
        self._fd = _syscalls.fsopen(fs_type)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def set_flag(self, key: str) -> None:
        """Set a parameter without a value."""
        try:
            _syscalls.fsconfig_flag(self._fd, key)
        except OSError as error:
            raise self._noted(error, f"at {key}") from None

    def set_string(self, key: str, value: str) -> None:
        """Set a parameter. A value of `FSCONFIG_STRING_SIZE` bytes or more is refused with EINVAL."""
        try:
            _syscalls.fsconfig_string(self._fd, key, value)
        except OSError as error:
            raise self._noted(error, f"at {key}={value}") from None

    def set_directory(self, key: str, path: str) -> None:
        """Set a parameter to a directory with a path of any length.

        Args:
            key: The parameter.
            path: The directory, without escapes.
        """
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._noted(error, f"at {key}={path}") from None
        try:
            self._set_opened(key, directory)
        finally:
            os.close(directory)

    def _set_opened(self, key: str, directory: int) -> None:
        try:
            # mountinfo then shows the path, so that others see that the directory is in use.
            _syscalls.fsconfig_fd(self._fd, key, directory)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise self._noted(error, f"at {key}") from None
            # Overlay takes descriptors since Linux 6.13; every kernel with lowerdir+ follows this link at once.
            self.set_string(key, f"/proc/self/fd/{directory}")

    def create(self) -> None:
        """Create the file system."""
        try:
            _syscalls.fsconfig_create(self._fd)
        except OSError as error:
            raise self._noted(error) from None

    def attach(self, target: str, attributes: int, namespace: int | None = None) -> None:
        """Mount the file system.

        Args:
            target: The mount point, which must exist.
            attributes: MOUNT_ATTR_* of include/uapi/linux/mount.h.
            namespace: A user namespace whose maps apply to the owners of files, or None.
        """
        tree = self.mount(attributes)
        try:
            if namespace is not None:
                self._map_ids(tree, namespace)
            _syscalls.move_mount(tree, target)
        finally:
            os.close(tree)

    def mount(self, attributes: int) -> int:
        """Return the descriptor of a mount without a mount point, which ends when the descriptor is closed.

        Args:
            attributes: As for `attach`.
        """
        try:
            return _syscalls.fsmount(self._fd, attributes)
        except OSError as error:
            raise self._noted(error) from None

    def _map_ids(self, tree: int, namespace: int) -> None:
        try:
            _syscalls.map_ids(tree, namespace)
        except OSError as error:
            raise self._noted(error, "at the id maps (which file systems take them: mount_setattr(2))") from None

    def _noted(self, error: OSError, *notes: str) -> OSError:
        for note in (*notes, *self._messages()):
            error.add_note(note)
        return error

    def _messages(self) -> list[str]:
        """Yield the kernel's messages, one per read until ENODATA, each after its level and a space."""
        messages: list[str] = []
        while True:
            try:
                message = os.read(self._fd, 4096)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise
                return messages
            messages.append(os.fsdecode(message)[2:].strip())


@functools.cache
def overlay_takes_single_layers() -> bool:
    """Return whether overlay accepts `lowerdir+`, one layer a call. Determined by a trial, once per process.

    Raises:
        OSError: There is no fsopen(2) (ENOSYS), no permission for it (EPERM) or no overlay (ENODEV).
    """
    with FilesystemContext("overlay") as context:
        # A kernel whose overlay predates file system contexts accepts any parameter unseen.
        return not _takes(context, "lamina") and _takes(context, "lowerdir+")


def _takes(context: FilesystemContext, key: str) -> bool:
    """Return whether a parameter with a directory is accepted. The root directory can nearly always be a layer.

    A directory that does not exist would show the same, but leave a message in the kernel's log.
    """
    try:
        context.set_string(key, "/")
    except OSError:
        return False
    return True
