"""Records of plugins on the wire.

containerd's message has no field for some of what lamina knows. How a plugin came to its state stands in the
details of `init_err`, as a `google.rpc.ErrorInfo`; the rest stands among the exports, under keys that begin with
`io.lamina.plugin.`. `ctr plugins ls` shows the exports as they are, and passes over details.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from lamina.api._convert import error_to_proto, platform_to_proto
from lamina.api._message import encode
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
    """What a lamina host tells of a plugin beyond containerd's message. Of containerd's, all is empty."""

    distribution: str = ""
    milliseconds: float | None = None
    """How long its init took; None of one that could not even be loaded."""
    outcome: str = ""
    """`lamina.plugin.Status` of one that does not work: skipped, failed or blocked."""
    blocked_by: str = ""
    """URI of the plugin that blocks it."""
    retrying: bool = False
    """Whether the host tries the plugin again: `lamina.plugin.Plugin.retrying`."""
    location: Location | None = None
    """Where in whose code it failed."""


def plugin_to_proto(plugin: Plugin) -> PluginMessage:
    """The record of a plugin, on the wire."""
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
    """What the record of a plugin has for lamina alone."""
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
    """What the plugin itself exports."""
    return {key: value for key, value in message.exports.items() if not key.startswith(_EXPORTS)}


def _init_error(plugin: Plugin, error: BaseException) -> StatusMessage:
    metadata = {"blocked_by": plugin.blocked_by.uri} if plugin.blocked_by else {}
    if plugin.retrying:
        metadata["retrying"] = "true"
    if plugin.location:
        metadata |= {name: str(value) for name, value in attrs.asdict(plugin.location).items()}
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
