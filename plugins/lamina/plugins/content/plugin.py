"""The registration of the content store, and the contract of content stores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from lamina.content import ContentStore
from lamina.places import LOCK
from lamina.plugin import PROPERTY_ROOT_DIR, Contract, InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.content.local import LocalContentStore
    from lamina.plugin import DiagnoseContext, Finding


@attrs.frozen(eq=False, repr=False)
class ContentConfig:
    """Configuration of the content store."""

    root_path: str = ""
    """Directory of the blobs; empty for the plugin's own directory below the host's root."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the content store."""
    return [
        Registration(
            type=PluginType.CONTENT,
            id="content",
            requires=(PluginType.METADATA,),
            config=ContentConfig,
            init=init_content,
            diagnose=diagnose_content,
            examine=examine_content,
        )
    ]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of content stores."""
    return [Contract(PluginType.CONTENT, ContentStore)]


def init_content(ic: InitContext[ContentConfig]) -> LocalContentStore:
    """Open the store, with labels in the host's metadata."""
    from lamina.content.local import LocalContentStore

    root = _path(ic.properties[PROPERTY_ROOT_DIR], ic.config)
    ic.meta.exports["root"] = root
    return LocalContentStore(root, ic.get_single(PluginType.METADATA).labels)


def diagnose_content(context: DiagnoseContext[ContentConfig]) -> Iterator[Finding]:
    """Check the directory and its lock, without opening the store, which a host may use."""
    from lamina.diagnosis import directory, lock

    path = _diagnosed_path(context)
    yield from directory("directory", path, lasts=True)
    yield lock("lock", os.path.join(path, LOCK), context.host_pid)


def examine_content(context: DiagnoseContext[ContentConfig]) -> Iterator[Finding]:
    """Check the files of the blobs, without reading them."""
    from lamina.plugins.content._examine import examine_blobs

    return examine_blobs(_diagnosed_path(context))


def _path(plugin_root: str, config: ContentConfig) -> str:
    return os.path.abspath(config.root_path) if config.root_path else plugin_root


def _diagnosed_path(context: DiagnoseContext[ContentConfig]) -> str:
    """Return the directory of the running host, whose configuration may differ; else the configured one."""
    return context.exports.get("root") or _path(str(context.root), context.config)
