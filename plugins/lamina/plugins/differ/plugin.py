"""The registration of the differ, and the contract of differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from lamina.plugin import Contract, InitContext, PluginType, Registration, hookimpl, host_platform

if TYPE_CHECKING:
    from lamina.layers import Differ

_MOST_PROCESSES: Final = 64


def _check_processes(_: object, __: attrs.Attribute[int], processes: int) -> None:
    if not 0 <= processes <= _MOST_PROCESSES:
        raise ValueError(f"expected a number from 0 to {_MOST_PROCESSES}, found {processes}")


@attrs.frozen(eq=False, repr=False)
class WalkingConfig:
    """Configuration of the differ."""

    processes: int = attrs.field(default=2, validator=_check_processes)
    """The number of processes that apply layers and compare trees, one at a time in each; 0 to use the host's own
    process."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the differ, under the name of containerd's."""
    return [Registration(type=PluginType.DIFF, id="walking", config=WalkingConfig, init=init_walking)]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of differs."""
    from lamina.layers import Differ

    return [Contract(PluginType.DIFF, Differ)]


def init_walking(ic: InitContext[WalkingConfig]) -> Differ:
    """Return a differ, which starts its processes when they are needed."""
    ic.meta.platforms.append(host_platform())
    if not ic.config.processes:
        from lamina.layers import LocalDiffer

        return LocalDiffer()
    from lamina.layers.workers import WorkerDiffer

    return WorkerDiffer(ic.config.processes)
