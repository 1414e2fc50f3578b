"""Registration of the metrics server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from lamina.errdefs import InvalidArgument, SkipPlugin
from lamina.plugin import InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.plugins.servers.metrics._server import MetricsServer


def _check_address(_: object, __: attrs.Attribute[str], address: str) -> None:
    if address:
        from lamina.plugins.servers.metrics._address import host_and_port

        try:
            host_and_port(address)
        except InvalidArgument as error:
            raise ValueError(str(error)) from error


@attrs.frozen(eq=False, repr=False)
class MetricsConfig:
    """The address of the metrics server, which serves `/v1/metrics`."""

    address: str = attrs.field(default="", validator=_check_address)
    """`host:port`, such as 127.0.0.1:1338, without authentication. Empty: metrics are not served."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the server."""
    return [Registration(type=PluginType.SERVER, id="metrics", config=MetricsConfig, init=init_server)]


def init_server(ic: InitContext[MetricsConfig]) -> MetricsServer:
    """Return the server of the metrics of all plugins.

    Raises:
        SkipPlugin: The address is not set.
    """
    if not ic.config.address:
        raise SkipPlugin("address is not set")
    from lamina.plugins.servers.metrics._collector import registry_of
    from lamina.plugins.servers.metrics._server import MetricsServer

    return MetricsServer(ic.config.address, registry_of(ic.get_all))
