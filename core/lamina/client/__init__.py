"""The other side of the socket: a lamina host's (or containerd's) services, from Python.

::

    with Client("/run/lamina/lamina.sock", timeout=10) as client:
        mounts = client.snapshotter("overlayfs").prepare("build", parent="base")
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.client._client import Client
    from lamina.client._records import Plugin, Server, Version
    from lamina.client._snapshotter import ProxySnapshotter

__all__ = ["Client", "Plugin", "ProxySnapshotter", "Server", "Version"]

_MODULES = {
    "_client": ("Client",),
    "_records": ("Plugin", "Server", "Version"),
    "_snapshotter": ("ProxySnapshotter",),
}
"""Each is imported when a name of it is first asked for (PEP 562): a command uses one or two."""


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
