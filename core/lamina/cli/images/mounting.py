"""Mount and unmount the snapshots of images."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from lamina.cli.options.settings import print_warnings
from lamina.errdefs import AlreadyExists, NotFound, Unavailable, Unimplemented
from lamina.images import DEFAULT_NAMESPACE, keyspace_of
from lamina.snapshots import Kind, Snapshotter

if TYPE_CHECKING:
    from lamina.client import Client
    from lamina.mount import Mount


_PREFIX: Final = "mount "


def mount_key(directory: str) -> str:
    """Return the key of the snapshot that is made for a mount point and removed with the mount."""
    return f"{_PREFIX}{directory}"


@contextlib.contextmanager
def snapshot(snapshotter: Snapshotter, key: str, parent: str, kind: Kind) -> Iterator[list[Mount]]:
    """Create a snapshot on an image, or take the present one with that key; remove a new one if the block fails.

    Args:
        snapshotter: Where the image is unpacked.
        key: The key of the snapshot.
        parent: The chain id of the image.
        kind: VIEW, or ACTIVE for a fork.

    Yields:
        Its mounts.

    Raises:
        AlreadyExists: The key is that of another snapshot.
        FailedPrecondition: The snapshot is there and mounted.
    """
    from lamina.snapshots.mounted import check_unused

    create = snapshotter.view if kind is Kind.VIEW else snapshotter.prepare
    try:
        mounts = create(key, parent)
    except AlreadyExists as error:
        info = snapshotter.stat(key)
        if (info.parent, info.kind) != (parent, kind):
            raise AlreadyExists(_taken(key)) from error
        check_unused(snapshotter, key, otherwise="or mount another fork, with --rw and --key")
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


def remove_snapshots(client: Client, namespace: str, directory: str) -> bool:
    """Remove the snapshots that were made for a mount point, whatever snapshotter has them.

    Args:
        client: The host.
        namespace: The namespace of the image; "" for the default one.
        directory: The mount point.

    Returns:
        Whether there was one.
    """
    from lamina.plugin import PluginType

    is_removed = False
    failures: list[str] = []
    keyspace = keyspace_of(namespace or DEFAULT_NAMESPACE)
    for plugin in client.plugins(f"type=={PluginType.SNAPSHOTTER}"):
        if plugin.init_error is not None:
            continue
        for name in (f"{plugin.id}/{keyspace}", plugin.id):  # the latter, if it has only one keyspace
            try:
                client.snapshotter(name).remove(mount_key(directory))
                is_removed = True
            except (NotFound, Unimplemented):  # most have nothing to do with this directory
                continue
            except Unavailable as error:  # the server behind one snapshotter does not answer
                failures.append(f"snapshotter {plugin.id}: {error}; if it has the image, unmount it again later")
                break
    if not is_removed:
        print_warnings(failures)
    return is_removed
