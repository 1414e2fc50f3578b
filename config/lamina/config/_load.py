"""Load a configuration from a file and its imports, or from a mapping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from lamina.config._config import Config, Sources, assemble
from lamina.config._problems import Problem, config_error
from lamina.config._schema import VERSION
from lamina.config.reading._document import Document, read, read_imports
from lamina.places import CONFIG, PROGRAM, default_config_directory, default_drop_ins

_GIVEN: Final = "configuration given as a mapping"
"""The name that problems of a mapping show instead of a file."""


def load(path: str | os.PathLike[str] | None = None, *, program: str = PROGRAM, defer: bool = False) -> Config:
    """Read a configuration file and all its imports.

    Args:
        path: The file. None: `default_config_path()` if it exists, otherwise the defaults; and the files of
            `default_drop_ins()`, as if it imported them last.
        program: The program that the configuration is for. Determines the default paths, the environment variables
            that `Config.with_overrides` reads, and the group of entry points in which a host discovers plugins.
        defer: Whether `Config.decode_plugins` raises the problems of the top level together with those of the
            plugins' tables. Until then, only discover plugins.

    Raises:
        ConfigError: A file is unreadable, malformed or of an unknown version, or the top level is invalid; it
            lists all problems. Problems that prevent the discovery of plugins are never deferred. Plugins' tables
            are checked by `Config.decode_plugins`, because the top level decides which plugins there are.
    """
    name = f"{default_config_directory(program=program)}/{CONFIG}" if path is None else os.fspath(path)
    drop_ins = default_drop_ins(program=program) if path is None else ""
    try:
        main = read(name)
    except OSError as error:
        if path is None and isinstance(error, FileNotFoundError | NotADirectoryError):
            defaults = Document("<defaults>", {"version": VERSION})
            return _from_main(defaults, program, drop_ins=drop_ins, defer=defer)
        main = Problem(name or "''", "", None, f"cannot be read: {error.strerror}")
    if isinstance(main, Problem):
        raise config_error([main])
    return _from_main(main, program, name, drop_ins, defer)


def from_document(tables: Mapping[str, Any], *, program: str = PROGRAM) -> Config:
    """Make a configuration from a mapping.

    Args:
        tables: A mapping as tomli returns it; tuples may stand for arrays and paths for strings. It is copied.
            `version` defaults to the newest. Relative imports are resolved against the working directory.
        program: See `load`.

    Raises:
        ConfigError: See `load`.
    """
    return _from_main(Document(_GIVEN, {"version": VERSION} | _as_read(tables)), program)


def _as_read(value: Any) -> Any:
    """Copy a value into the types that tomli returns."""
    match value:
        case Mapping():
            return {str(key): _as_read(item) for key, item in value.items()}
        case list() | tuple():
            return list(map(_as_read, value))
        case os.PathLike():
            return os.fspath(value)
        case _:
            return value


def _from_main(
    main: Document, program: str, file: str | None = None, drop_ins: str = "", defer: bool = False
) -> Config:
    documents, unread = read_imports(main, drop_ins)
    return assemble(Sources(file, tuple(documents), tuple(unread), program=program, defer=defer))
