"""Installed distributions. Replaces `importlib.metadata`, whose imports take a tenth of a host's start."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from typing import Final, Protocol

from lamina.errdefs import NotFound

_ENDS: Final = (".dist-info", ".egg-info")


class Distribution(Protocol):
    """The part of `importlib.metadata.Distribution` that lamina uses."""

    @property
    def name(self) -> str:
        """The name, in its author's spelling."""

    @property
    def version(self) -> str:
        """The version."""

    def read_text(self, filename: str) -> str | None:
        """Return the contents of a file of the metadata, or None if it does not exist."""

    def locate_file(self, path: str) -> object:
        """Return the path of an installed file, as a string or path object, given its path in the distribution."""


def distributions(name: str = "") -> Iterator[Distribution]:
    """Return the installed distributions, in the order of sys.path. Some may occur twice.

    Args:
        name: The name of the distributions to find; empty: all.
    """
    if not _in_directories_alone():
        import importlib.metadata

        yield from importlib.metadata.distributions(name=name or None)
        return
    wanted = normalise(name)
    for directory in dict.fromkeys(entry or "." for entry in sys.path):
        with contextlib.suppress(OSError):
            for entry in os.listdir(directory):
                if entry.lower().endswith(_ENDS) and (not name or normalise(_name_in(entry)) == wanted):
                    yield _Metadata(directory, entry)


def _name_in(entry: str) -> str:
    """Return the distribution's name, given the name of its metadata, such as `lamina-0.1.0.dist-info`."""
    return os.path.splitext(entry)[0].partition("-")[0]


def distribution(name: str) -> Distribution:
    """Return the distribution of a name.

    Raises:
        NotFound: The distribution is not installed.
    """
    for found in distributions(name):
        return found
    raise NotFound(f"distribution {name} is not installed")


def normalise(name: str) -> str:
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _in_directories_alone() -> bool:
    """Return whether sys.path has only directories, no archives or eggs, and no other finder is installed."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    return finders == [PathFinder] and not any(
        entry.endswith(".egg") or os.path.isfile(entry) for entry in sys.path
    )


class _Metadata:
    def __init__(self, directory: str, name: str) -> None:
        self._directory = directory
        """The directory in which the distribution is installed."""
        self._name = name
        """The name of the metadata directory in it."""

    @property
    def name(self) -> str:
        return self._header("Name")

    @property
    def version(self) -> str:
        return self._header("Version")

    def read_text(self, filename: str) -> str | None:
        path = os.path.join(self._directory, self._name, filename)
        if not os.path.exists(path):  # as in most; this costs less than the exception
            return None
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError):
            return None

    def locate_file(self, path: str) -> str:
        return os.path.join(self._directory, path)

    def _header(self, name: str) -> str:
        """Return a header of the core metadata (packaging.python.org/specifications/core-metadata)."""
        text = self.read_text("METADATA") or self.read_text("PKG-INFO") or self.read_text("") or ""
        for line in text.partition("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        raise NotFound(f"the metadata in {self._directory}/{self._name} has no {name}")
