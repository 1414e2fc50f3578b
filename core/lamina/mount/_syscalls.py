"""System calls, one function each: see the manual pages. Failures are OSErrors with the kernel's errno."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import signal
import struct

from lamina.errdefs import InvalidArgument

# include/uapi/asm-generic/unistd.h: new system calls have one number on all architectures.
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_OPENAT2 = 437
_MOUNT_SETATTR = 442

# include/uapi/linux/mount.h
_FSOPEN_CLOEXEC = 1
_FSMOUNT_CLOEXEC = 1
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_SET_FD = 5
_FSCONFIG_CMD_CREATE = 6
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_SYMLINKS = 0x10
_OPEN_TREE_CLONE = 1
_UMOUNT_NOFOLLOW = 8  # include/linux/fs.h
_MOUNT_ATTR_IDMAP = 0x00100000

# include/uapi/linux/openat2.h
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10

# include/uapi/linux/fcntl.h
_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000

# include/uapi/linux/sched.h
_CLONE_VM = 0x00000100
_CLONE_FS = 0x00000200
_CLONE_VFORK = 0x00004000
CLONE_NEWUSER = 0x10000000

_CAP_SYS_ADMIN = 21  # include/uapi/linux/capability.h

_WALL = 0x40000000  # include/uapi/linux/wait.h
_STACK = 64 * 1024  # bytes, far more than _exit(2) needs

FSCONFIG_STRING_SIZE = 256
"""The size in bytes of a key or value of fsconfig(2), including the final NUL (fs/fsopen.c)."""


def mount(source: str, target: str, fs_type: str, flags: int, data: str | None = None) -> None:
    """Mount, with all data in one string."""
    _check(_libc().mount(_c(source), _c(target), _c(fs_type), flags, None if data is None else _c(data)))


def umount2(target: str, flags: int = 0) -> None:
    """Unmount. A symbolic link at the target is not followed, and is not a mount point (EINVAL)."""
    _check(_libc().umount2(_c(target.rstrip("/") or "/"), flags | _UMOUNT_NOFOLLOW))


def fsopen(fs_type: str) -> int:
    """Return a descriptor for configuring a new file system."""
    return _syscall(_FSOPEN, _c(fs_type), _FSOPEN_CLOEXEC)


def fsconfig_flag(context: int, key: str) -> None:
    """Set a parameter without a value."""
    _syscall(_FSCONFIG, context, _FSCONFIG_SET_FLAG, _c(key), None, 0)


def fsconfig_string(context: int, key: str, value: str) -> None:
    """Set a parameter to a string."""
    _syscall(_FSCONFIG, context, _FSCONFIG_SET_STRING, _c(key), _c(value), 0)


def fsconfig_fd(context: int, key: str, value: int) -> None:
    """Set a parameter to an open file."""
    _syscall(_FSCONFIG, context, _FSCONFIG_SET_FD, _c(key), None, value)


def fsconfig_create(context: int) -> None:
    """Create the file system as configured."""
    _syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)


def fsmount(context: int, attributes: int) -> int:
    """Return the descriptor of a mount that is not attached yet."""
    return _syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes)


def move_mount(tree: int, target: str) -> None:
    """Attach a mount. `target` may be a symbolic link, as for `mount`."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_SYMLINKS
    _syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, _c(target), flags)


def open_tree(path: str, *, recursive: bool = False) -> int:
    """Return the descriptor of a detached copy of the mount at and below `path`."""
    return _syscall(
        _OPEN_TREE, _AT_FDCWD, _c(path), _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    )


def map_ids(tree: int, namespace: int, *, recursive: bool = False) -> None:
    """Map the owners in a detached mount with mount_setattr(2).

    Args:
        tree: The mount's descriptor.
        namespace: The descriptor of a user namespace with the maps.
        recursive: Whether to map the mounts below it too.
    """
    attributes = struct.pack("=4Q", _MOUNT_ATTR_IDMAP, 0, 0, namespace)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _syscall(_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes))


def unshare_directories() -> None:
    """Give the calling thread its own working directory, root directory and umask (unshare(2))."""
    _check(_libc().unshare(_CLONE_FS))


def exited_child(namespaces: int) -> int:
    """Return the process id of a child in new namespaces that has already exited; `reap` it.

    The child only runs _exit(2) of the C library, on its own stack, while the calling thread waits, as
    posix_spawn(3) does. So it is safe with any number of threads, unlike a forked interpreter, and fast, unlike a
    started one. It sends no signal, and only `reap` can wait(2) for it.

    Args:
        namespaces: `CLONE_NEW*` flags of clone(2).
    """
    libc = _libc()
    stack = ctypes.create_string_buffer(_STACK)
    top = (ctypes.addressof(stack) + _STACK) & ~15  # most ABIs require an aligned stack
    # A signal in the child would run this process's handlers on this process's memory.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        flags = namespaces | _CLONE_VM | _CLONE_VFORK
        return _check(libc.clone(ctypes.cast(libc._exit, ctypes.c_void_p), top, flags, None))  # noqa: SLF001 - its name
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def reap(child: int) -> None:
    """Wait for a child of `exited_child`."""
    os.waitpid(child, _WALL)


def open_inside(root: int, path: str) -> int:
    """Open a path with O_PATH and openat2(2). No link and no `..` leads out of the directory `root`."""
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    return _syscall(_OPENAT2, root, _c(path), bytes(how), ctypes.sizeof(how))


def system_calls() -> dict[str, bool]:
    """Return whether each optional system call exists and is not forbidden to this process (seccomp(2)).

    Each is called with arguments that it refuses. Most of them are forbidden to a process without CAP_SYS_ADMIN,
    which proves nothing: then they count as existing.
    """
    calls: dict[str, tuple[int, tuple[int | bytes | None, ...]]] = {
        "openat2": (_OPENAT2, (-1, None, None, 0)),
        "fsopen": (_FSOPEN, (None, -1)),
        "fsmount": (_FSMOUNT, (-1, -1, -1)),
        "open_tree": (_OPEN_TREE, (-1, None, -1)),
        "move_mount": (_MOVE_MOUNT, (-1, None, -1, None, -1)),
        "mount_setattr": (_MOUNT_SETATTR, (-1, None, -1, None, 0)),
    }
    return {name: _is_there(number, arguments) for name, (number, arguments) in calls.items()}


def _is_there(number: int, arguments: tuple[int | bytes | None, ...]) -> bool:
    try:
        _syscall(number, *arguments)
    except OSError as error:
        return error.errno != errno.ENOSYS and (error.errno != errno.EPERM or not _may_mount())
    return True


def _may_mount() -> bool:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        effective = next(line.split()[1] for line in file if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.c_char_p
    libc.mount.argtypes = (text, text, text, ctypes.c_ulong, text)
    libc.umount2.argtypes = (text, ctypes.c_int)
    libc.clone.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    libc.syscall.restype = ctypes.c_long
    return libc


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    # syscall(2) is variadic: an int would be passed as 32 bits and leave the upper half of its register undefined.
    words = [ctypes.c_long(word) if isinstance(word, int) else ctypes.c_char_p(word) for word in arguments]
    return _check(_libc().syscall(ctypes.c_long(number), *words))


def _check(result: int) -> int:
    if result >= 0:
        return result
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _c(text: str) -> bytes:
    if "\0" in text:
        raise InvalidArgument(f"{text!r} contains a NUL character, at which the kernel would cut it")
    return os.fsencode(text)
