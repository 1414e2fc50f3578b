"""Merge documents, keeping track of where each setting came from.

The rules are containerd's, with one exception: a later document overrides an earlier one even with false, 0, "" or
[]. (At the top level containerd treats such values as unset.)

- Tables are merged key by key, at any depth, but a proxy plugin's table is replaced as a whole.
- Arrays at the top level (`disabled_plugins`, `imports`, …) are united: elements keep the order of their
  first appearance, and none is removed.
- Everything else is replaced. Replaced values are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from lamina.config._problems import KeyPath, Problem
from lamina.config.reading._document import Document

_REPLACED_WITHIN: Final[KeyPath] = ("proxy_plugins",)
"""The table whose entries are replaced as a whole: the settings of two proxies do not mix."""


class Origin(NamedTuple):
    """The place where a setting came from."""

    name: str
    """Path of the file, or another source, such as a flag."""
    line: int | None
    """The line in the file, from 1; None if there is none."""

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


class Merged:
    """The merged documents."""

    def __init__(
        self, tables: dict[str, Any], main: Document, sources: Mapping[KeyPath, tuple[Document, KeyPath]]
    ) -> None:
        """Create the result of `merge`.

        Args:
            tables: The merged tables.
            main: The first document.
            sources: The document that last set each key, and the key's path there.
        """
        self.tables = tables
        self._main = main
        self._sources = sources

    def origin(self, path: KeyPath) -> Origin | None:
        """Return where the value or table at a path was last set, or None if no document sets it."""
        if path not in self._sources:
            return None
        document, there = self._sources[path]
        return Origin(document.name, document.line(document.written(there)))

    def problem(
        self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None
    ) -> Problem:
        """Return a problem at a path, in terms of the document that set it or its nearest enclosing table."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._sources:
                document, there = self._sources[path[:end]]
                return document.problem(there + path[end:], found, expected, nearest)
        return self._main.problem(path, found, expected, nearest)


def merge(documents: Sequence[Document]) -> Merged:
    """Merge documents, of which there is at least one. Later ones override earlier ones."""
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
        """Drop the sources of replaced values."""
        for known in [known for known in self.sources if known[: len(path)] == path]:
            del self.sources[known]
