"""Settings from the environment and flags, which override the files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lamina.config.reading._document import Document
from lamina.config.versions._migrate import GRPC_SERVER


def overriding(
    flags: Mapping[str, str | os.PathLike[str] | None], environ: Mapping[str, str], program: str
) -> list[Document]:
    """Return the documents that override the files, flags last.

    Args:
        flags: The flags by setting; None: not given.
        environ: The environment. An empty variable counts as unset.
        program: The prefix of its variables.
    """
    prefix = program.replace("-", "_")
    variables = {key: f"{prefix}_{key}".upper() for key in flags}
    given = [
        *((name, key, environ.get(name) or None) for key, name in variables.items()),
        *((f"--{key.replace('_', '-')}", key, value) for key, value in flags.items()),
    ]
    return [Document(name, _tables(key, value)) for name, key, value in given if value is not None]


def _tables(key: str, value: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the tables that contain a flag's setting."""
    match key:
        case "address":
            return {"plugins": {GRPC_SERVER: {"address": _absolute(os.fspath(value))}}}
        case "log_level":
            return {"debug": {"level": value}}
        case _:
            return {key: os.fspath(value)}


def _absolute(address: str) -> str:
    """Make the path of a socket absolute. Other addresses are unchanged; the listener refuses them."""
    path = address.removeprefix("unix://")
    return address if not path or "://" in path else os.path.abspath(path)
