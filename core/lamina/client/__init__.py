"""Clients of the gRPC services of a lamina host or of containerd.

::

    with Client("/run/lamina/lamina.sock", timeout=10) as client:
        mounts = client.snapshotter("overlayfs").prepare("build", parent="base")
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.client._client import Client
    from lamina.client._records import RemotePlugin, Server, Version
    from lamina.client._snapshotter import ProxySnapshotter

__all__ = ["Client", "ProxySnapshotter", "RemotePlugin", "Server", "Version"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_client": "Client",
        "_records": "RemotePlugin Server Version",
        "_snapshotter": "ProxySnapshotter",
    },
)
