"""The greeter without its server, inside the tests' own process: run `pytest` where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from greeter import GREETER, GREETING, Greeter

from lamina.config import from_document
from lamina.host import Error, Host


def host(directory: Path, **plugins: dict[str, Any]) -> Host:
    """A host with these tables for the plugins of the module."""
    types = {"custom": GREETING, "greeter": GREETER}
    tables = {f"{types[name]}.{name}": table for name, table in plugins.items()}
    document = {"root": directory / "root", "state": directory / "state", "plugins": tables}
    return Host(from_document(document, program="greeter"), embedded=True)


def test_it_greets_in_every_language_it_has(tmp_path: Path) -> None:
    with host(tmp_path, custom={"template": "Ahoy, $name!"}) as running:
        greeter: Greeter = running.get(GREETER, "greeter")
        greetings = [greeter.greet("Ada", language) for language in ("", "english", "french", "custom")]
    assert greetings == ["Hello, Ada!", "Hello, Ada!", "Bonjour, Ada !", "Ahoy, Ada!"]


def test_the_default_language_is_a_setting(tmp_path: Path) -> None:
    with host(tmp_path, greeter={"language": "french"}) as running:
        assert running.get(GREETER, "greeter").greet("Ada") == "Bonjour, Ada !"


def test_a_default_language_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        host(tmp_path, greeter={"language": "custom"}) as running,
        pytest.raises(Error, match="'custom' is none of english, french"),
    ):
        running.get(GREETER, "greeter")
