"""Check a snapshot."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence

from lamina.client import Client
from lamina.diagnosis import mount_remedy, snapshot_mounts
from lamina.errdefs import DataLoss, Error, NotFound, Unavailable, nearest
from lamina.mount import Mount
from lamina.plugin import Finding
from lamina.snapshots import Kind, Snapshotter


def snapshot(
    client: Client, name: str, key: str, host_pid: int | None, names: Iterable[str] = ()
) -> Iterator[Finding]:
    """Check a snapshot's record and mounts, mounting it read-only for a moment.

    Args:
        client: The host.
        name: The name of the snapshotter.
        key: The snapshot's key or name.
        host_pid: The host's process; None if it is not visible.
        names: All names of the host's snapshotters, which are searched if `name` does not have the key.
    """
    snapshotter = client.snapshotter(name)
    try:
        info = snapshotter.stat(key)
    except NotFound as error:
        yield Finding.problem("record", str(error), _looking_for(client, name, key, names))
        return
    except Error as error:
        yield Finding.problem("record", str(error), f"lamina plugins ls -d -a {client.address}")
        return
    yield Finding.ok("record", f"{info.kind.title}, on {info.parent}" if info.parent else info.kind.title)
    try:
        with _mounts(snapshotter, key, info.kind) as mounts:
            shown = (f"{mount.type} {mount.source} {','.join(mount.options)}" for mount in mounts)
            yield Finding.ok("mounts", "; ".join(shown))
            yield from snapshot_mounts(mounts, host_pid)
    except Error as error:
        lost = isinstance(error, DataLoss)
        remedy = mount_remedy(str(error)) if lost else "see the message; the host's log may have more"
        yield Finding.problem("mounts", str(error), remedy)


@contextlib.contextmanager
def _mounts(snapshotter: Snapshotter, key: str, kind: Kind) -> Iterator[list[Mount]]:
    """Yield a snapshot's mounts. A committed one is shown by a view that exists during the block."""
    if kind is not Kind.COMMITTED:
        yield snapshotter.mounts(key)
        return
    view = f"lamina-diagnose-{os.urandom(8).hex()}"
    mounts = snapshotter.view(view, key)
    try:
        yield mounts
    finally:
        snapshotter.remove(view)


def _looking_for(client: Client, name: str, key: str, names: Iterable[str]) -> str:
    """Return a remedy that suggests a similar key, under this name of a snapshotter or another."""
    keys = _keys(client, name)
    meant = _ending(keys, key)
    silent: dict[str, None] = {}
    if meant is None:
        for other in names:
            try:
                found = _ending(_keys(client, other), key)
            except Unavailable:  # the server behind it does not answer
                silent[other] = None
                continue
            if found:
                return f"{found} exists under the name {other}: use --snapshotter {shlex.quote(other)}"
        meant = nearest(key, keys)
    guess = f"did you mean {meant}? " if meant else ""
    but = f", except that {', '.join(silent)} cannot be asked" if silent else ""
    return (
        f"{guess}lamina snapshots --snapshotter {name} ls lists all snapshots under this name; the host's other "
        f"names do not have this key either{but}"
    )


def _keys(client: Client, name: str) -> list[str]:
    return [info.name for info in client.snapshotter(name).walk()]


def _ending(keys: Sequence[str], key: str) -> str | None:
    """Return the key, or one that ends in it: containerd adds namespace and number, as in `default/7/key`."""
    return key if key in keys else next((one for one in keys if one.endswith(f"/{key}")), None)
