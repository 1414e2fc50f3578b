"""Reading a configuration: from a file and what it imports, or from a program's mapping."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lamina.config._config import Config, Sources, assemble
from lamina.config._problems import Problem, config_error
from lamina.config._schema import VERSION
from lamina.config.reading._document import Document, read, read_imports
from lamina.places import PROGRAM, default_config_path, default_drop_ins

_GIVEN: Final = "configuration given as a mapping"
"""Where settings stand that a program gave: what their problems name instead of a file."""


def load(path: str | os.PathLike[str] | None = None, *, program: str = PROGRAM, defer: bool = False) -> Config:
    """Read a configuration file and all that it imports.

    Args:
        path: The file. None: the one at `default_config_path()` if it exists, otherwise the defaults alone; and
            the files of `default_drop_ins()`, as if it imported them last.
        program: Whose configuration it is: names the default places, the environment variables that
            `Config.with_overrides` reads, and the group of entry points in which a host looks for plugins.
        defer: Whether problems of the top level may wait for `Config.decode_plugins`, which tells them together
            with those of the plugins' tables. Do nothing before that but find the plugins.

    Raises:
        ConfigError: With all problems of all files: files that cannot be read, syntax, format versions, and
            the top level. Plugins' tables are not looked at yet: which plugins there are, and which
            packages may be imported to find out, is what the top level says. See `Config.decode_plugins`.
            What leaves that unknown is not deferred.
    """
    name = os.fspath(default_config_path(program=program) if path is None else path)
    drop_ins = default_drop_ins(program=program) if path is None else ""
    try:
        main = read(name)
    except OSError as error:
        if path is None and isinstance(error, FileNotFoundError | NotADirectoryError):
            defaults = Document("<defaults>", {"version": VERSION})
            return _from_main(defaults, program, drop_ins=drop_ins, defer=defer)
        main = Problem(name, "", None, f"cannot be read: {error.strerror}")
    if isinstance(main, Problem):
        raise config_error([main])
    return _from_main(main, program, Path(name), drop_ins, defer)


def from_document(tables: Mapping[str, Any], *, program: str = PROGRAM) -> Config:
    """A configuration from a program instead of a file.

    Args:
        tables: What tomli would return for a file; a tuple is as good as a list, and a path as a string. It is
            copied. `version` may be left out, and is the newest then. Relative imports are taken from the working
            directory.
        program: As for `load`.

    Raises:
        ConfigError: As `load` does.
    """
    return _from_main(Document(_GIVEN, {"version": VERSION} | _as_read(tables)), program)


def _as_read(value: Any) -> Any:
    """A copy of a value as tomli returns it."""
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
    main: Document, program: str, file: Path | None = None, drop_ins: str = "", defer: bool = False
) -> Config:
    documents, unread = read_imports(main, drop_ins)
    return assemble(Sources(file, tuple(documents), tuple(unread), program=program, defer=defer))
