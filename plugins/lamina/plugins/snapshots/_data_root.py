"""The data roots of the local snapshotters."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from lamina.errdefs import translated
from lamina.plugin import PROPERTY_ROOT_DIR, InitContext, PluginType, host_platform
from lamina.snapshots.local import open_data_root

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext


def create_data_root(ic: InitContext[Any], id: str, root_path: str) -> str:  # noqa: A002 - the registration's word
    """Create and verify the data root, and export it and the platform in the plugin's meta.

    Args:
        ic: The plugin's init context.
        id: The plugin's id.
        root_path: The configured path; "" for the plugin's own directory.

    Raises:
        PermissionDenied: Another user could change the directory.
        Unavailable: It is missing or empty, although the metastore has snapshots of the plugin.
        Error: The directory cannot be created.
    """
    root = data_root_path(ic.properties[PROPERTY_ROOT_DIR], root_path)
    metastore = ic.get_single(PluginType.METASTORE)
    with translated("create the data root", "set another root_path"):
        open_data_root(root, metastore.uuid, id, functools.partial(metastore.has_snapshots, id)).close()
    ic.meta.exports["root"] = root
    ic.meta.platforms.append(host_platform())
    return root


def data_root_path(plugin_root: str, root_path: str) -> str:
    """Return the absolute path of the data root.

    Args:
        plugin_root: The plugin's own directory.
        root_path: The configured path; "" for that directory.
    """
    return os.path.abspath(root_path) if root_path else plugin_root


def diagnosed_data_root(context: DiagnoseContext[Any], root_path: str) -> str:
    """Return the data root of the running host, whose configuration may differ; else the configured one.

    Args:
        context: The context of the diagnosis.
        root_path: The configured path.
    """
    return context.exports.get("root") or data_root_path(str(context.root), root_path)
