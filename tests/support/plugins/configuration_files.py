"""Configuration files of tests, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.config import load
from lamina.errdefs import ConfigError

Write = Callable[[str, str], Path]
"""The fixture `write`: makes a file of a name and a text, and returns its path."""
NO_LEVEL = (
    'debug.level: expected one of "trace", "debug", "info", "warn", "error", "fatal", "panic",'
    ' found the string "loud"'
)


def problems_of(path: Path | str) -> list[str]:
    """What is wrong with a file, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [str(problem) for problem in caught.value.problems] == str(caught.value).split("\n")
    return str(caught.value).split("\n")
