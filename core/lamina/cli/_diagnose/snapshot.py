"""Why a snapshot does not work."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lamina.client import Client
from lamina.diagnosis import snapshot_mounts
from lamina.errdefs import Error, NotFound, nearest
from lamina.mount import Mount
from lamina.plugin import Finding
from lamina.snapshots import Kind, Snapshotter


def snapshot(client: Client, name: str, key: str, host_pid: int | None) -> Iterator[Finding]:
    """Look at a snapshot, and mount it for a moment where nothing can be written to it.

    Args:
        client: The host.
        name: Which snapshotter.
        key: The snapshot's key or name.
        host_pid: The host's process; None where it cannot be seen.
    """
    snapshotter = client.snapshotter(name)
    try:
        info = snapshotter.stat(key)
    except NotFound as error:
        yield Finding.problem("record", str(error), _looking_for(snapshotter, name, key))
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
        yield Finding.problem("mounts", str(error), "see the message; the host's log may have more")


@contextlib.contextmanager
def _mounts(snapshotter: Snapshotter, key: str, kind: Kind) -> Iterator[list[Mount]]:
    """A snapshot's mounts. A committed one has none: those of a view of it, which is there during the block."""
    if kind is not Kind.COMMITTED:
        yield snapshotter.mounts(key)
        return
    view = f"lamina-diagnose-{os.urandom(8).hex()}"
    mounts = snapshotter.view(view, key)
    try:
        yield mounts
    finally:
        snapshotter.remove(view)


def _looking_for(snapshotter: Snapshotter, name: str, key: str) -> str:
    """How to find what was meant. containerd puts namespace and number before a key: `default/7/key`."""
    known = [info.name for info in snapshotter.walk()]
    meant = next((other for other in known if other.endswith(f"/{key}")), None) or nearest(key, known)
    guess = f"did you mean {meant}? " if meant else ""
    return (
        f"{guess}lamina snapshots --snapshotter {name} ls shows all that there are under this name. Each alias of "
        "a snapshotter has snapshots of its own: try --snapshotter with the name that containerd has it under"
    )
