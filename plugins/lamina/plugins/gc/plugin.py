"""Registrations of the collector and of its service."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.metadata.collection import GarbageCollector
from lamina.plugin import Contract, InitContext, PluginType, Registration, hookimpl
from lamina.plugins.gc._config import SchedulerConfig

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.metadata.collection import Collector
    from lamina.plugins.gc._scheduler import Scheduler

ID: Final = "scheduler"


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the collector, under the name of containerd's, and its service."""
    return [
        Registration(
            type=PluginType.GC,
            id=ID,
            requires=(PluginType.CONTENT, PluginType.METADATA, PluginType.METASTORE, PluginType.SNAPSHOTTER),
            config=SchedulerConfig,
            live=("grace", "interval"),
            init=init_scheduler,
        ),
        Registration(
            type=PluginType.GRPC,
            id="gc",
            requires=(PluginType.GC,),
            late_binding=True,
            init=init_service,
        ),
    ]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of collectors."""
    return [Contract(PluginType.GC, GarbageCollector)]


def init_scheduler(ic: InitContext[SchedulerConfig]) -> Scheduler:
    """Return the collector of the host's metadata, content store and snapshotters."""
    from lamina.plugins.gc._scheduler import Scheduler

    metadata, content = ic.get_single(PluginType.METADATA), ic.get_single(PluginType.CONTENT)
    metastore = ic.get_single(PluginType.METASTORE)

    def collector() -> Collector:
        from lamina.metadata.collection import Collector
        from lamina.plugins.gc._snapshotters import namespaces, snapshotters, unused_snapshots

        return Collector(
            metadata,
            content,
            lambda: snapshotters(ic.get_all()),
            namespaces=lambda: namespaces(metastore),
            unused=lambda: unused_snapshots(ic.get_all(), metastore),
            check=metastore.check_complete,
        )

    return Scheduler(collector, ic.config, check=metastore.check_losses, accept=metastore.accept_losses)


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks the collector up for each call."""
    return collector_service(lambda: ic.get_single(PluginType.GC))


def collector_service(collector: Callable[[], GarbageCollector]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        collector: Returns the collector, or raises the reason why it is not available.
    """
    from lamina.api import LazyMethod, Service, Target
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.gc._service import CollectorService

        return CollectorService(collector).handlers

    target = Target("gc")  # has workers of its own: the work may take minutes
    slow = functools.partial(LazyMethod, load=load, slow=True, target=lambda _: target)
    return Service(
        "lamina.services.gc.v1.Collector",
        (
            slow("Collect", streams=True),
            slow("Usage"),
            slow("Why", logged={"name": "object"}),
        ),
    )
