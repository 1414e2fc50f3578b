"""Where a local snapshotter of this host keeps its data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errdefs import from_os_error
from lamina.fs import SecureDirectory
from lamina.plugin import InitContext, host_platform

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext


def data_root(ic: InitContext[Any], root_path: str) -> str:
    """Make and check the data root; the plugin's meta tells of it, and the platform that it is for.

    Args:
        ic: The plugin's init context.
        root_path: The configured path; empty: the plugin's own directory.

    Raises:
        PermissionDenied: Another user could change what is in it.
        Error: It cannot be made.
    """
    root = data_root_path(ic.root, root_path)
    try:
        SecureDirectory.open(root, create_mode=0o700).close()
    except OSError as error:
        raise from_os_error(error, "make the data root") from error
    ic.meta.exports["root"] = root
    ic.meta.platforms.append(host_platform())
    return root


def data_root_path(own: Path, root_path: str) -> str:
    """The data root.

    Args:
        own: The plugin's own directory.
        root_path: What is configured; empty: that directory.
    """
    return os.path.abspath(root_path) if root_path else str(own)


def diagnosed_root(context: DiagnoseContext[Any], root_path: str) -> str:
    """The data root that a diagnosis is about: that of the host that runs, which may have another configuration.

    Args:
        context: The circumstances of the diagnosis.
        root_path: What is configured.
    """
    return context.exports.get("root") or data_root_path(context.root, root_path)
