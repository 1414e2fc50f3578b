"""Directories that tests use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
"""The project's. On PYTHONPATH, it lets a process of its own import the tests' helpers."""


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name: unix(7) allows 107 bytes, and tmp_path is long."""
    directory = Path(tempfile.mkdtemp())
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
