"""The documents of a configuration: the main file, its imports, and flags."""

from __future__ import annotations

import codecs
import functools
import glob
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.config import reading
from lamina.config._problems import KeyPath, Problem, dotted
from lamina.config.reading._moves import origin_of
from lamina.fs import Exposure, Trust, content_exposure

_LONG_NUMBER: Final = re.compile(r"[=\[,]\s*([+-]?[0-9_]{640,})")
"""Matches a whole number longer than Python's lowest limit."""


@attrs.frozen(eq=False, repr=False, slots=False)  # slots make attrs rewrite cached properties
class Document:
    """Settings from one source."""

    name: str
    """Path of the file, or another source, such as a flag."""
    tables: Mapping[str, Any]
    text: str = ""
    """The TOML text, or "" if there is none."""
    moved: Mapping[KeyPath, KeyPath] = attrs.field(factory=dict)
    """The settings that a migration moved: from their paths in `tables` to those in the text."""
    exposure: Exposure | None = None
    """The way in which other users could change the file, if there is one."""

    def problem(
        self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None
    ) -> Problem:
        """Return a problem at a path in `tables`, with the key and line of the text."""
        path = self.written(path)
        return Problem(self.name, dotted(path), self.line(path), found, expected, nearest)

    def written(self, path: KeyPath) -> KeyPath:
        """Return the path in the text of the setting at `path` in `tables`."""
        return origin_of(path, self.moved)

    def line(self, path: KeyPath) -> int | None:
        """Return the line of a key in the text, or of the nearest enclosing table; None if there is none."""
        around = (path[:end] for end in range(len(path), 0, -1))
        return next((self._lines[place] for place in around if place in self._lines), None)

    @functools.cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return reading.key_lines(self.text)


def read(path: str) -> Document | Problem:
    """Read a file and return its document, or the reason why it is not TOML.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb", opener=_open) as file:
        os.set_blocking(file.fileno(), True)
        exposure = content_exposure(os.fstat(file.fileno()), path, Trust.of_process())
        data = file.read().removeprefix(codecs.BOM_UTF8)  # editors on Windows write it
    import tomli

    try:
        text = data.decode()
        return Document(path, tomli.loads(text), text, exposure=exposure)
    except UnicodeDecodeError as error:
        return Problem(path, "", data.count(b"\n", 0, error.start) + 1, f"not UTF-8 text: {error.reason}")
    except tomli.TOMLDecodeError as error:
        return Problem(path, "", error.lineno, error.msg, column=error.colno)
    except RecursionError as error:
        return Problem(path, "", None, str(error))
    except ValueError:  # int(): Python's limit on the number of digits
        found = f"a whole number of more than {sys.get_int_max_str_digits()} digits"
        number = _LONG_NUMBER.search(text)
        return Problem(path, "", text.count("\n", 0, number.start(1)) + 1 if number else None, found)


def _open(path: str, flags: int) -> int:
    """Open a file. A FIFO without a writer is empty, instead of blocking the start."""
    return os.open(path, flags | os.O_NONBLOCK)


def read_imports(main: Document, drop_ins: str = "") -> tuple[list[Document], list[Problem]]:
    """Read all imports of a document, and theirs in turn, each file once.

    The order is containerd's: breadth first.

    Args:
        main: The document.
        drop_ins: A pattern of files that are read as if `main` imported them last; "" for none.

    Returns:
        The documents, `main` first, each overriding those before it; and a problem for each file that cannot be
        read.
    """
    documents, problems = [main], list[Problem]()
    seen = {os.path.realpath(main.name)}
    for importing in documents:  # grows during the loop: a first-in first-out queue
        dropped = sorted(glob.glob(drop_ins)) if importing is main and drop_ins else []
        for place, path in (*_imports(importing), *((None, path) for path in dropped)):
            if (real := os.path.realpath(path)) in seen:
                continue
            seen.add(real)
            try:
                document = read(path)
            except OSError as error:
                if place is None:
                    problems.append(Problem(path, "", None, f"cannot be read: {error.strerror}"))
                else:
                    problems.append(importing.problem(place, f"{path}: {error.strerror}"))
                continue
            if isinstance(document, Problem):
                problems.append(document)
            else:
                documents.append(document)
    return documents, problems


def _imports(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Return the files that a document imports, and the place of each import."""
    directory = os.path.dirname(document.name)
    imports = document.tables.get("imports", ())
    for index, pattern in enumerate(imports if isinstance(imports, list) else ()):
        if not isinstance(pattern, str) or "\0" in pattern:
            continue  # decoding the top level reports it
        matches = sorted(glob.glob(pattern, root_dir=directory)) if glob.has_magic(pattern) else [pattern]
        for match in matches:
            yield ("imports", index), os.path.normpath(os.path.join(directory, match))
