"""Where a local snapshotter of this host keeps its data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lamina.plugin import InitContext, host_platform


def data_root(ic: InitContext[Any], root_path: str) -> str:
    """The data root, and the platform that it is for, told in the plugin's meta.

    Args:
        ic: The plugin's init context.
        root_path: What is configured; empty: the plugin's own directory.
    """
    root = data_root_path(ic.root, root_path)
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
