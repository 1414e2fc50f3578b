"""The registration of the metastore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lamina.plugin import DiagnoseContext, Finding, InitContext, PluginType, Registration, hookimpl
from lamina.snapshots.storage import MetaStore


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the metastore."""
    return [Registration(type=PluginType.METASTORE, id="lmdb", init=init_metastore, diagnose=diagnose_metastore)]


def init_metastore(ic: InitContext[None]) -> MetaStore:
    """Open the metastore in the plugin's own directory."""
    ic.meta.exports["path"] = str(ic.root)
    return MetaStore.open(str(ic.root), str(ic.state))


def diagnose_metastore(context: DiagnoseContext[None]) -> Iterator[Finding]:
    """Look at the directory and its lock. The metastore itself is not opened: a host may have it open."""
    from lamina.diagnosis import directory, lock  # noqa: PLC0415 - no host needs it

    yield from directory("directory", str(context.root), lasts=True)
    yield lock("lock", f"{context.root}/lamina.lock", context.host_pid)
