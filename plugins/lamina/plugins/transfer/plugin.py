"""Registrations of the local transfer, which imports, pulls and unpacks images, and of its service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from lamina.images import Transfer
from lamina.plugin import Contract, InitContext, Plugin, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.images import LocalTransfer

ID: Final = "local"


@attrs.frozen(eq=False, repr=False)
class TransferConfig:
    """The unpacking of images."""

    snapshotter: str = ""
    """Id of the snapshotter to unpack with unless a call names one; empty: overlayfs, or else native, or else any
    that works."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the local transfer and its service."""
    return [
        Registration(
            type=PluginType.TRANSFER,
            id=ID,
            requires=(PluginType.CONTENT, PluginType.METADATA, PluginType.DIFF, PluginType.SNAPSHOTTER),
            config=TransferConfig,
            references={"snapshotter": PluginType.SNAPSHOTTER},
            init=init_transfer,
        ),
        Registration(
            type=PluginType.GRPC,
            id="transfer",
            requires=(PluginType.TRANSFER,),
            late_binding=True,
            init=init_service,
        ),
    ]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of transfers."""
    return [Contract(PluginType.TRANSFER, Transfer)]


def init_transfer(ic: InitContext[TransferConfig]) -> LocalTransfer:
    """Return the transfer between the host's content store, names of images, differ and snapshotters."""
    from lamina.images import LocalTransfer
    from lamina.plugins.transfer._snapshotters import Snapshotters

    metadata = ic.get_single(PluginType.METADATA)
    return LocalTransfer(
        content=ic.get_single(PluginType.CONTENT),
        images=metadata.images,
        differ=ic.get_single(PluginType.DIFF),
        destination=Snapshotters(ic.get_all, ic.config.snapshotter, exported_names).destination,
        lease=metadata.temporary_lease,
        discard=lambda digests: digests and ic.get_single(PluginType.GC).discard(digests),
    )


def exported_names(plugins: Iterable[Plugin]) -> dict[str, str]:
    """Return the ids of snapshotters by the names that the snapshots service exports; none in an embedded host."""
    exports = [plugin.meta.exports for plugin in plugins if plugin.type == PluginType.GRPC]
    if not exports:  # nothing has imported the API
        return {}
    from lamina.api import names_from_exports

    return {name: id_ for one in exports for id_, names in names_from_exports(one).items() for name in names}


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks the transfer up for each call."""
    return transfer_service(lambda: ic.get_single(PluginType.TRANSFER))


def transfer_service(transfer: Callable[[], Transfer]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        transfer: Returns the transfer, or raises the reason why it is not available.
    """
    from lamina.api import LazyMethod, Service, Target
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.transfer._service import TransferService

        return TransferService(transfer).handlers

    target = Target("transfer")  # has workers of its own: the work may take minutes
    slow = functools.partial(LazyMethod, load=load, slow=True)
    long = functools.partial(slow, streams=True, target=lambda _: target)
    return Service(
        "lamina.services.transfer.v1.Transfer",
        (
            long("Import", logged={"path": "archive", "snapshotter": "snapshotter"}),
            long("Pull", logged={"name": "image", "snapshotter": "snapshotter"}),
            long("Push", logged={"name": "image", "to": "to"}),
            long("Unpack", logged={"name": "image", "snapshotter": "snapshotter"}),
            long("Commit", logged={"snapshot": "key", "name": "image", "snapshotter": "snapshotter"}),
            slow("Edit", logged={"name": "image", "new_name": "new"}),
            slow("Tag", logged={"name": "image", "new_name": "new"}),
            long("Export", logged={"path": "archive"}),
            slow("Resolve", logged={"name": "image"}),
            long("Verify"),
        ),
    )
