"""Conversions between plugin records and messages.

containerd's message lacks fields for some of lamina's data. The reasons for a plugin's status are in the details
of `init_err`, as a `google.rpc.ErrorInfo`; the rest is in exports whose keys begin with `io.lamina.plugin.`.
`ctr plugins ls` prints these exports with the others, and ignores the details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from lamina.api._codec import encode
from lamina.api._convert import error_to_proto, platform_to_proto
from lamina.api.messages.any_pb2 import Any as AnyMessage
from lamina.api.messages.error_details_pb2 import ErrorInfo
from lamina.api.messages.introspection_pb2 import Plugin as PluginMessage
from lamina.api.messages.status_pb2 import Status as StatusMessage

if TYPE_CHECKING:
    from lamina.plugin import Location, Plugin

_EXPORTS: Final = "io.lamina.plugin."
_DISTRIBUTION: Final = f"{_EXPORTS}distribution"
_MILLISECONDS: Final = f"{_EXPORTS}init-milliseconds"
_DOMAIN: Final = "io.lamina.plugin"


@attrs.frozen
class PluginDetails:
    """Details of a plugin that containerd's message has no fields for. All are empty for containerd's plugins."""

    distribution: str = ""
    milliseconds: float | None = None
    """Duration of the init; None if the plugin could not be loaded."""
    outcome: str = ""
    """`lamina.plugin.Status` of a plugin that does not work: skipped, failed or blocked."""
    blocked_by: str = ""
    """URI of the plugin that blocks this one."""
    retrying: bool = False
    """The host is retrying the plugin: `lamina.plugin.Plugin.retrying`."""
    location: Location | None = None
    """Source location of the failure."""


def plugin_to_proto(plugin: Plugin) -> PluginMessage:
    """Convert the record of a plugin to a message."""
    own = {
        _DISTRIBUTION: plugin.distribution,
        _MILLISECONDS: f"{plugin.seconds * 1000:.3f}" if plugin.seconds else "",
    }
    return encode(
        PluginMessage,
        type=plugin.type,
        id=plugin.id,
        requires=plugin.requires,
        platforms=map(platform_to_proto, plugin.meta.platforms),
        exports={**plugin.meta.exports, **{key: value for key, value in own.items() if value}},
        capabilities=plugin.meta.capabilities,
        init_err=None if plugin.error is None else _init_error(plugin, plugin.error),
    )


def details_from_proto(message: PluginMessage) -> PluginDetails:
    """Return the details that only lamina hosts put into a message."""
    info = _error_info(message.init_err)
    milliseconds = message.exports.get(_MILLISECONDS)
    return PluginDetails(
        distribution=message.exports.get(_DISTRIBUTION, ""),
        milliseconds=_number(milliseconds) if milliseconds else None,
        outcome=info.reason.lower(),
        blocked_by=info.metadata.get("blocked_by", ""),
        retrying=info.metadata.get("retrying") == "true",
        location=_location(info.metadata),
    )


def exports_from_proto(message: PluginMessage) -> dict[str, str]:
    """Return the exports of the plugin itself."""
    return {key: value for key, value in message.exports.items() if not key.startswith(_EXPORTS)}


def _init_error(plugin: Plugin, error: BaseException) -> StatusMessage:
    metadata = {"blocked_by": plugin.blocked_by.uri} if plugin.blocked_by else {}
    if plugin.retrying:
        metadata["retrying"] = "true"
    if plugin.location:
        metadata |= {name: str(value) for name, value in plugin.location._asdict().items()}
    metadata = {name: value.encode(errors="backslashreplace").decode() for name, value in metadata.items()}
    details = AnyMessage()
    details.Pack(encode(ErrorInfo, reason=plugin.status.name, domain=_DOMAIN, metadata=metadata))
    status = error_to_proto(error)
    status.details.append(details)
    return status


def _error_info(status: StatusMessage) -> ErrorInfo:
    info = ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info) and info.domain == _DOMAIN:
            return info
    return ErrorInfo()


def _location(metadata: Mapping[str, str]) -> Location | None:
    line = metadata.get("line", "")
    if not line.isdecimal():
        return None
    from lamina.plugin import Location

    texts = {name: metadata.get(name, "") for name in ("file", "function", "module", "distribution")}
    return Location(line=int(line), **texts)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
