"""Mount and unmount the snapshots of images."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import attrs

from lamina.cli.options.settings import print_warnings
from lamina.errdefs import AlreadyExists, FailedPrecondition, NotFound, Unavailable, Unimplemented
from lamina.images import keyspace_of
from lamina.snapshots import Info, Kind, Snapshotter, format_time
from lamina.snapshots.labels import MOUNT_POINT

if TYPE_CHECKING:
    from lamina.client import Client
    from lamina.mount import Mount, MountInfo

_PREFIX: Final = "mount "
_ROOT: Final = "containerd.io/gc.root"
"""The label of a snapshot that garbage collectors keep, with everything it refers to."""


def mount_key(directory: str) -> str:
    """Return the key of the snapshot that is made for a mount point and removed with the mount."""
    return f"{_PREFIX}{directory}"


@contextlib.contextmanager
def snapshot(
    snapshotter: Snapshotter, key: str, parent: str, kind: Kind, target: str, manifest: str
) -> Iterator[list[Mount]]:
    """Create a snapshot on an image, or take the present one with that key; remove a new one if the block fails.

    Args:
        snapshotter: The snapshotter in which the image is unpacked.
        key: The key of the snapshot.
        parent: The chain id of the image.
        kind: VIEW, or ACTIVE for a fork.
        target: The directory on which the caller mounts it, as its label says from then on.
        manifest: The digest of the image's manifest, which a new fork keeps: `lamina images commit` builds on it.

    Yields:
        Its mounts.

    Raises:
        AlreadyExists: The key is that of another snapshot.
        FailedPrecondition: The snapshot is there and mounted.
    """
    from lamina.images.building import BASE
    from lamina.snapshots.mounted import check_unused

    create = snapshotter.view if kind is Kind.VIEW else snapshotter.prepare
    labels = {MOUNT_POINT: target}
    own = {_ROOT: format_time(time.time_ns()), BASE: manifest} if kind is Kind.ACTIVE else {}
    try:
        mounts = create(key, parent, {**labels, **own})
    except AlreadyExists as error:
        info = snapshotter.stat(key)
        if (info.parent, info.kind) != (parent, kind):
            raise AlreadyExists(_taken(key)) from error
        check_unused(snapshotter, key, otherwise="or mount another fork, with --rw and --key")
        snapshotter.update(attrs.evolve(info, labels=labels), (f"labels.{MOUNT_POINT}",))
        yield snapshotter.mounts(key)
        return
    try:
        yield mounts
    except BaseException:
        snapshotter.remove(key)
        raise


def _taken(key: str) -> str:
    directory = key.removeprefix(_PREFIX)
    if directory == key:
        return f"{key!r} is the key of another snapshot: choose another one with --key"
    return f"{directory} is the mount point of another image: lamina images unmount {shlex.quote(directory)} first"


@attrs.frozen
class MountedSnapshot:
    """A snapshot that is mounted, or was."""

    snapshotter: Snapshotter
    info: Info

    def is_mounted_as(self, mount: MountInfo) -> bool:
        """Return whether a mount of this process shows the snapshot."""
        from lamina.mount.in_use import made_of

        return made_of(self.snapshotter.mounts(self.info.name))(mount, "/proc/self/root")

    def forget(self, target: str) -> bool:
        """Remove the snapshot if it has no key of its own, and else its label; return whether it was removed."""
        name = self.info.name
        with contextlib.suppress(NotFound):  # another process, which unmounted it, has removed it
            if name == mount_key(target):
                self.snapshotter.remove(name)
                return True
            self.snapshotter.update(attrs.evolve(self.info, labels={}), (f"labels.{MOUNT_POINT}",))
        return False


def unmount_image(client: Client, target: str) -> bool:
    """Unmount an image, whatever namespace and snapshotter it is in, and remove a snapshot without a key.

    Returns:
        Whether a snapshot was removed.

    Raises:
        NotFound: Nothing is mounted there, and no image was.
        FailedPrecondition: Something else is mounted there.
    """
    from lamina.mount import lookup, unmount

    found, failures = _mounted_on(client, target)
    if not found:
        print_warnings(failures)
    mount = lookup(target)  # by a descriptor of the directory, so that it is the topmost one
    if mount.mount_point == target:
        try:
            found = [one for one in found if one.is_mounted_as(mount)][:1]
        except NotFound as error:  # another process has unmounted and removed it since it was found
            raise NotFound(f"nothing is mounted on {target} now") from error
        if not found:
            raise FailedPrecondition(
                f"what is mounted on {target} was not mounted by lamina images mount: unmount it with "
                f"umount {shlex.quote(target)}"
            )
        unmount(target)  # unless another process has done so meanwhile
    elif not found:
        raise NotFound(f"nothing is mounted on {target}, and no image was")
    return sum(one.forget(target) for one in found) > 0


def _mounted_on(client: Client, target: str) -> tuple[list[MountedSnapshot], list[str]]:
    """Return the snapshots that were mounted on a directory, and the errors that may hide others."""
    from lamina.filters import quote
    from lamina.plugin import PluginType

    found: list[MountedSnapshot] = []
    failures: list[str] = []
    wanted = f"labels.{quote(MOUNT_POINT)}=={quote(target)}"
    keyspaces = [keyspace_of(namespace) for namespace in client.namespaces()]
    for plugin in client.plugins(f"type=={PluginType.SNAPSHOTTER}"):
        if plugin.init_error is not None:
            continue
        for name in (*(f"{plugin.id}/{keyspace}" for keyspace in keyspaces), plugin.id):
            snapshotter = client.snapshotter(name)
            try:
                found += [MountedSnapshot(snapshotter, info) for info in snapshotter.walk(wanted)]
            except Unimplemented:  # it has only one keyspace
                continue
            except Unavailable as error:  # the server behind one snapshotter does not answer
                failures.append(f"snapshotter {plugin.id}: {error}; if it has the image, unmount it again later")
                break
    return found, failures
