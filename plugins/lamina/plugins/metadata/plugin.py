"""The registration of the metadata, and the contract of its type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lamina.metadata import MetadataStore
from lamina.plugin import Contract, InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.metadata import Metadata


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the metadata."""
    return [
        Registration(type=PluginType.METADATA, id="lmdb", requires=(PluginType.METASTORE,), init=init_metadata)
    ]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of metadata."""
    return [Contract(PluginType.METADATA, MetadataStore)]


def init_metadata(ic: InitContext[None]) -> Metadata:
    """Open the tables in the host's metastore."""
    from lamina.metadata import Metadata

    return Metadata.open(ic.get_single(PluginType.METASTORE))
