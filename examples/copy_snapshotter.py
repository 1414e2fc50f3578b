"""A minimal snapshotter: each snapshot is a full copy of its parent.

Start a host with it as root::

    PYTHONPATH=examples lamina serve -p copy_snapshotter

and use it as `copies`: `lamina snapshots --snapshotter copies prepare KEY`. From containerd, use `lamina-copies`.
An installed package needs no `-p` if its `pyproject.toml` names the module::

    [project.entry-points."lamina.plugins"]
    copies = "copy_snapshotter"
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import attrs

from lamina.fs import copy_tree, disk_usage
from lamina.mount import Mount
from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.snapshots import Kind, Usage
from lamina.snapshots.local import Backend, LocalSnapshotter
from lamina.snapshots.storage import Record


@attrs.frozen
class CopyConfig:
    """Configuration of the snapshotter."""

    root_path: str = ""
    """Directory of the copies; empty for the plugin's own directory below the host's root."""


class CopyBackend(Backend):
    """Copies trees and mounts them with bind mounts."""

    def create(self, record: Record, path: str) -> None:
        """Copy the parent's tree with owners, attributes, hard links and devices, or create an empty one."""
        if record.parent_ids:
            copy_tree(self.path(record.parent_ids[0]), path)
        else:
            os.mkdir(path, 0o755)

    def mounts(self, record: Record) -> list[Mount]:
        """Return a bind mount of the tree."""
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount(type="bind", source=self.path(record.id), options=("rbind", access))]

    def usage(self, record: Record) -> Usage:
        """Measure the copy."""
        return Usage(*disk_usage(self.path(record.id)))


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the snapshotter."""
    yield Registration(
        type=PluginType.SNAPSHOTTER,
        id="copies",
        requires=(PluginType.METASTORE,),
        config=CopyConfig,
        init=init_copies,
    )


def init_copies(ic: InitContext[CopyConfig]) -> LocalSnapshotter:
    """Open the snapshotter on its data root."""
    root = ic.config.root_path or str(ic.root)
    ic.meta.exports["root"] = root
    store = ic.get_single(PluginType.METASTORE).snapshotter("copies")
    return LocalSnapshotter.open(CopyBackend(root), store)
