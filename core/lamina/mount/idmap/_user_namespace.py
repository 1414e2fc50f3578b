"""User namespaces without processes: the kernel takes the maps of an id-mapped mount from one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lamina.fs._exposure import in_user_namespace
from lamina.mount import _syscalls
from lamina.mount.idmap._maps import IdMap, IdMaps

__all__ = ["in_user_namespace", "user_namespace"]


@contextlib.contextmanager
def user_namespace(maps: IdMaps) -> Iterator[int]:
    """Open a new user namespace with the given maps, closed at the end of the block.

    Raises:
        OSError: The kernel refused; the notes name the step.
    """
    namespace = _open(maps)
    try:
        yield namespace
    finally:
        os.close(namespace)


def _open(maps: IdMaps) -> int:
    try:
        child = _syscalls.exited_child(_syscalls.CLONE_NEWUSER)
    except OSError as error:
        error.add_note("at a user namespace for the id maps (how many there may be: user.max_user_namespaces)")
        raise
    try:
        # A process that has not been waited for keeps its namespace (pid_namespaces(7) calls it a zombie).
        _write_map(child, "uid", maps.uids)
        _write_map(child, "gid", maps.gids)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        _syscalls.reap(child)


def _write_map(pid: int, kind: str, id_map: IdMap) -> None:
    lines = "".join(f"{extent.container} {extent.host} {extent.size}\n" for extent in id_map.extents)
    try:
        # The kernel takes a map in one write(2), once.
        with open(f"/proc/{pid}/{kind}_map", "wb", buffering=0) as file:
            file.write(lines.encode())
    except OSError as error:
        error.add_note(f"at {kind}map={id_map} (user_namespaces(7) says what a map may be)")
        raise
