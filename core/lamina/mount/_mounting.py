"""Mount the records of a snapshotter."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator

import attrs

from lamina.errdefs import Error, MountFailed, NotFound, Unimplemented, from_os_error
from lamina.fs import opened
from lamina.mount import _syscalls
from lamina.mount._by_string import mount_by_string
from lamina.mount._filesystem import mount_filesystem
from lamina.mount._fuse import is_fuse, mount_fuse
from lamina.mount._loop import LoopDevice
from lamina.mount._options import MountFlag, Options, parse_options
from lamina.mount._record import Mount
from lamina.mount._unmounting import raise_first, unmount
from lamina.mount.idmap._mounts import bind_id_mapped, mount_overlay_id_mapped
from lamina.mount.idmap._user_namespace import user_namespace

_REPORTED_BY_STATVFS = (
    MountFlag.RDONLY | MountFlag.NOSUID | MountFlag.NODEV | MountFlag.NOEXEC
    | MountFlag.NOATIME | MountFlag.NODIRATIME
)  # fmt: skip
"""Flags for which statvfs(3) and mount(2) use the same numbers."""

_OF_A_BIND = _REPORTED_BY_STATVFS | MountFlag.STRICTATIME
"""Flags of a mount, not of its file system: a bind mount can have its own."""

_REMEDIES = {
    errno.ENODEV: "no such file system in this kernel (for a bind mount, give the option bind or rbind)",
    errno.EPERM: "mounting needs CAP_SYS_ADMIN",
}


def mount_all(mounts: Iterable[Mount], target: str | os.PathLike[str]) -> None:
    """Mount everything in order.

    If a mount fails, the previous ones are unmounted in reverse order (containerd leaves them).

    A bind mount honours `nosuid`, `nodev`, `noexec` and the access time options as it does `ro`, with a second
    call; they apply to the top mount only. It also keeps the restrictions of its source. (containerd ignores those
    options without `ro`, and with it drops the source's restrictions.)

    With `loop` the source is a file, mounted through a loop device that the kernel frees when it is unmounted; the
    file is read-only if the mount is `ro`. With `uidmap` and `gidmap` the mount is id-mapped: a container's files
    on disk belong to the container's users on the host. For an overlay the lower layers are mapped. (containerd
    never maps a read-only bind mount; this does.)

    A type such as `fuse3.fuse-overlayfs` is mounted by the program `mount.fuse3`, which gets all options unchanged
    and runs the program named after the dot; `fuse.…` by `mount.fuse`.

    Args:
        mounts: The mounts that a snapshotter returned.
        target: The mount point, an existing directory (for a bind mount of a file, a file). `Mount.target` is
            looked up inside it after the previous mounts; no symbolic link leads out of it.

    Raises:
        MountFailed: The kernel refused a mount. The message has the kernel's own; `__cause__` is the OSError.
        InvalidArgument: An option is malformed, or the options are too long for mount(2).
        Unimplemented: `Mount.target` is set or a file system is to be id-mapped, and the kernel lacks the system
            calls; or there is no helper for a FUSE file system.
    """
    root = os.fspath(target)
    done: list[str] = []
    try:
        for mount in mounts:
            done.append(_mount(mount, root))  # noqa: PERF401 - what was done counts when a later one fails
    except BaseException as error:
        _undo(done, error)
        raise


def unmount_mounts(mounts: Iterable[Mount], target: str | os.PathLike[str], *, lazy: bool = False) -> None:
    """Unmount exactly what `mount_all` mounted: one mount for each, in reverse order.

    All are tried. Mounts that no longer exist count as unmounted.

    Args:
        mounts: The mounts.
        target: The mount point. A symbolic link there is not followed.
        lazy: Detach them now, and let the kernel clean up once they are unused.

    Raises:
        FailedPrecondition: One is still in use after 2.5 seconds of retries: the first failure, with the others as
            its notes. (containerd reports a failure of the last mount only.)
        PermissionDenied: The process lacks CAP_SYS_ADMIN.
    """
    root = os.fspath(target)
    failures: list[Error] = []
    for mount in reversed(tuple(mounts)):
        try:
            unmount(_path(root, mount), lazy=lazy)
        except (NotFound, FileNotFoundError):
            continue
        except OSError as error:
            failures.append(from_os_error(error, f"unmount {mount.target} in {root}"))
        except Error as error:
            failures.append(error)
    raise_first(failures)


def _undo(places: list[str], reason: BaseException) -> None:
    for place in reversed(places):
        try:
            unmount(os.path.realpath(place))  # mounting follows a link at the target
        except Error as error:
            reason.add_note(f"a previous mount could not be unmounted: {error}")


def _mount(mount: Mount, root: str) -> str:
    """Mount one record and return its mount point."""
    try:
        if is_fuse(mount):
            path = _path(root, mount)
            mount_fuse(mount, path)
            return path
        options = parse_options(mount.options)
        with _inside(root, mount.target) as place:
            path = os.readlink(place) if mount.target else root
            with device(mount, options) as source, _namespace(options) as namespace:
                _mount_at(place, attrs.evolve(mount, source=source), options, namespace)
        if options.flags & MountFlag.BIND and not options.flags & MountFlag.REMOUNT:
            _restrict(mount, options, root, path)
    except OSError as error:
        raise MountFailed(explain(mount, _place(mount, root), error)) from error
    return path


def _path(root: str, mount: Mount) -> str:
    """Return the mount point of a record, given the previous mounts."""
    with _inside(root, mount.target) as place:
        return os.readlink(place) if mount.target else root


@contextlib.contextmanager
def device(mount: Mount, options: Options) -> Iterator[str]:
    """Yield the source to mount, which stays as long as it is mounted or the block lasts."""
    if not options.loop:
        yield mount.source
        return
    read_only = bool(options.flags & MountFlag.RDONLY)
    with LoopDevice.attach(mount.source, read_only=read_only, direct_io=options.direct_io) as device:
        yield device.path


def _namespace(options: Options) -> contextlib.AbstractContextManager[int | None]:
    return contextlib.nullcontext() if options.id_maps is None else user_namespace(options.id_maps)


def _mount_at(place: str, mount: Mount, options: Options, namespace: int | None) -> None:
    if options.flags & MountFlag.REMOUNT:
        mount_by_string(mount, options, place)
    elif options.flags & MountFlag.BIND:
        if namespace is None:
            mount_by_string(mount, options, place)
        else:
            bind_id_mapped(mount, options, namespace, place)
    elif mount.type == "overlay" and namespace is not None:
        mount_overlay_id_mapped(mount, options, namespace, place)
    else:
        mount_filesystem(mount, options, place, namespace)


@contextlib.contextmanager
def _inside(root: str, target: str) -> Iterator[str]:
    """Yield a path to `target` below `root` that no other process can redirect while it is used."""
    if not target:
        yield root
        return
    try:
        with opened(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) as directory:
            place = _syscalls.open_inside(directory, target)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        raise Unimplemented(f"mount at {target!r} inside {root}: needs openat2(2), Linux 5.6") from error
    try:
        yield f"/proc/self/fd/{place}"
    finally:
        os.close(place)


def _restrict(mount: Mount, options: Options, root: str, path: str) -> None:
    """Set the flags of a new bind mount: the call that makes it ignores them (mount(2))."""
    wanted = options.flags & _OF_A_BIND
    if not wanted:
        return
    try:
        with _inside(root, mount.target) as place:  # looked up again: now it is the new mount
            # The flags given replace the existing ones, and a user namespace may not clear some of them.
            kept = os.statvfs(place).f_flag & _REPORTED_BY_STATVFS
            _syscalls.mount("", place, "", wanted | kept | MountFlag.BIND | MountFlag.REMOUNT)
    except OSError as error:
        _undo([path], error)
        raise


def _place(mount: Mount, root: str) -> str:
    return os.path.join(root, mount.target.lstrip("/")) if mount.target else root


def explain(mount: Mount, place: str, error: OSError) -> str:
    """Return the message of a mount that failed, with the kernel's messages and a remedy."""
    reasons = [error.strerror, *getattr(error, "__notes__", ())]
    if error.errno in _REMEDIES:
        reasons.append(_REMEDIES[error.errno])
    return f"mount {mount.type} {mount.source!r} on {place}: {'; '.join(reasons)} (for more: dmesg | tail)"
