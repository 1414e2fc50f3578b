"""Several documents made into one, with a memory of where each setting came from.

The rules are containerd's, but for one: whatever a later document sets, it sets, also to false, 0, "" or [].
(At the top level containerd takes such a value for one that was not set.)

- Tables are merged, key by key, at every depth; but a proxy plugin's table is replaced as a whole.
- Arrays at the top level (`disabled_plugins`, `imports`, …) are united: elements stand in the order of their
  first appearance, and none is ever taken out.
- Everything else is replaced. What was replaced is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from lamina.config._problems import KeyPath, Problem
from lamina.config.reading._document import Document

_REPLACED_WITHIN: Final[KeyPath] = ("proxy_plugins",)
"""The table whose entries are each replaced as a whole: half of another's address and type makes no plugin."""


@attrs.frozen
class Origin:
    """Where a setting came from."""

    name: str
    """Path of the file; or what else gave it, such as a flag."""
    line: int | None
    """Line in the file, from 1; None where there is none."""

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


@attrs.frozen(eq=False, repr=False)
class Merged:
    """What several documents say together."""

    tables: dict[str, Any]
    _main: Document
    _sources: dict[KeyPath, tuple[Document, KeyPath]]
    """For each key the document that set it last, and the key's path there."""

    def origin(self, path: KeyPath) -> Origin | None:
        """Where the value or table at a path was last set; None where no document sets it."""
        if path not in self._sources:
            return None
        document, there = self._sources[path]
        return Origin(document.name, document.line(document.written(there)))

    def problem(
        self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None
    ) -> Problem:
        """Something wrong at a path, told of the document that set it, or the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._sources:
                document, there = self._sources[path[:end]]
                return document.problem(there + path[end:], found, expected, nearest)
        return self._main.problem(path, found, expected, nearest)


def merge(documents: Sequence[Document]) -> Merged:
    """Put documents, of which there is at least one, over each other; the last is on top."""
    merger = _Merger()
    for document in documents:
        merger.overlay(document)
    return Merged(merger.tables, documents[0], merger.sources)


class _Merger:
    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}
        self.sources: dict[KeyPath, tuple[Document, KeyPath]] = {}

    def overlay(self, document: Document) -> None:
        self._table(self.tables, document.tables, (), document)

    def _table(self, target: dict[str, Any], source: Mapping[str, Any], path: KeyPath, document: Document) -> None:
        for key, value in source.items():
            here = (*path, key)
            kind = dict if isinstance(value, dict) else list if isinstance(value, list) and not path else None
            if kind is None or not isinstance(target.get(key), kind) or path == _REPLACED_WITHIN:
                if isinstance(target.get(key), dict | list):
                    self._forget(here)
                target[key] = value if kind is None else kind()
            self.sources[here] = (document, here)
            if kind is dict:
                self._table(target[key], value, here, document)
            elif kind is list:
                self._union(target[key], value, here, document)

    def _union(self, target: list[Any], source: list[Any], path: KeyPath, document: Document) -> None:
        for index, element in enumerate(source):
            if element not in target:
                self.sources[*path, len(target)] = (document, (*path, index))
                target.append(element)

    def _forget(self, path: KeyPath) -> None:
        """Drop the sources of what is replaced."""
        for known in [known for known in self.sources if known[: len(path)] == path]:
            del self.sources[known]
