"""The methods of the protocol, and calls of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import grpc

from lamina.api import messages

SECONDS = 60
NO_ANSWER = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
"""The codes of calls that were not answered by their handlers."""


def served_methods() -> Iterator[tuple[str, bool]]:
    """Yield the path of each method of the protocol, and whether it streams."""
    for module in pkgutil.iter_modules(messages.__path__, f"{messages.__name__}."):
        descriptor = getattr(importlib.import_module(module.name), "DESCRIPTOR", None)
        for service in descriptor.services_by_name.values() if descriptor else ():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method.server_streaming


def failure(channel: grpc.Channel, path: str, *, streams: bool) -> tuple[grpc.StatusCode, str] | None:
    """Make a call with an empty request, and return its error; None once it has an answer."""
    try:
        if streams:
            responses = channel.unary_stream(path)(b"", timeout=SECONDS)
            next(iter(responses), None)
            responses.cancel()
        else:
            channel.unary_unary(path)(b"", timeout=SECONDS)
    except grpc.RpcError as error:
        return error.code(), error.details() or ""
    return None
