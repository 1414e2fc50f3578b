"""Proxy plugins: snapshotters that live behind other sockets, made from their tables in the configuration."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lamina import client
from lamina.config import ProxyPlugin
from lamina.errdefs import InvalidArgument
from lamina.plugin import PROPERTY_GRPC_ADDRESS, InitContext, PluginType, Registration, host_platform

if TYPE_CHECKING:
    from lamina.snapshots import Snapshotter  # a host needs none to start


def proxy_registrations(proxies: Mapping[str, ProxyPlugin]) -> Iterator[Registration[None]]:
    """The registrations of proxy plugins, in order.

    Args:
        proxies: Their tables, by plugin id.
    """
    for name, proxy in proxies.items():
        init = functools.partial(_init_proxy, name, proxy)
        yield Registration(type=PluginType.SNAPSHOTTER, id=name, init=init)


def _init_proxy(name: str, proxy: ProxyPlugin, ic: InitContext[None]) -> Snapshotter:
    """Make a proxy. Nobody needs to answer at its address yet.

    Raises:
        InvalidArgument: The address is none, or the host's own.
    """
    path = proxy.address.removeprefix("unix://")
    ic.meta.platforms.append(proxy.platform or host_platform())
    ic.meta.exports.update(proxy.exports, address=path)
    ic.meta.capabilities.extend(proxy.capabilities)
    own = ic.properties[PROPERTY_GRPC_ADDRESS]
    if own and os.path.realpath(path) == os.path.realpath(own):
        raise InvalidArgument(f"address {proxy.address!r}: this host itself answers there")
    return client.ProxySnapshotter.connect(
        proxy.address,
        proxy.snapshotter or name,
        timeout=proxy.timeout,
        quick_timeout=proxy.quick_timeout,
        namespace=proxy.namespace,
    )
