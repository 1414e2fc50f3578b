"""A plugin with a remote snapshotter: it makes snapshots of layers that it knows without their blobs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lamina.errdefs import AlreadyExists
from lamina.mount import Mount
from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from tests.support.snapshotters.forwarding import Forwarding
from tests.support.snapshotters.overlay import open_overlay

ID = "remote"
MODULE = __name__
_REF = "containerd.io/snapshot.ref"
_REMOTE = "containerd.io/snapshot/remote"


class RemoteSnapshotter(Forwarding):
    """Speaks containerd's protocol for remote snapshotters as stargz-snapshotter does.

    `Prepare` for a chain id in `known` commits the snapshot, labels it and answers that it exists.
    """

    def __init__(self, directory: Path) -> None:
        self._stack = contextlib.ExitStack()
        super().__init__(self._stack.enter_context(open_overlay(directory)))
        self.known: dict[str, dict[str, str]] = {}
        """Files of the layers that it knows, by chain id."""
        self.asked: list[str] = []
        """The chain ids that it was asked for, in their order."""

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        wanted = (labels or {}).get(_REF, "")
        self.asked.append(wanted)
        mounts = self.inner.prepare(key, parent, labels)
        if wanted not in self.known:
            return mounts
        (mount,) = mounts
        upper = next((one[9:] for one in mount.options if one.startswith("upperdir=")), mount.source)
        for name, text in self.known[wanted].items():
            (Path(upper) / name).write_text(text)
        self.inner.commit(wanted, key, {**(labels or {}), _REMOTE: "remote snapshot"})
        raise AlreadyExists(f"target snapshot {wanted}: already exists")

    def close(self) -> None:
        """Implement the plugin's end."""
        self._stack.close()


def _init(ic: InitContext[None]) -> RemoteSnapshotter:
    ic.root.mkdir(parents=True, exist_ok=True)
    return RemoteSnapshotter(ic.root)


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    return [Registration(type=PluginType.SNAPSHOTTER, id=ID, init=_init)]
