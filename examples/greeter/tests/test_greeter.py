"""Tests of the greeter without its server. Install the package, then run `pytest`."""

from __future__ import annotations

import pytest
from greeter import GREETER, GREETING

from lamina.host import Error
from lamina.testing import HostFactory


def test_it_greets_in_every_language(lamina_host: HostFactory) -> None:
    host = lamina_host(program="greeter", plugins={f"{GREETING}.custom": {"template": "Ahoy, $name!"}})
    greet = host.get(GREETER, "greeter").greet
    greetings = [greet("Ada", language) for language in ("", "english", "french", "custom")]
    assert greetings == ["Hello, Ada!", "Hello, Ada!", "Bonjour, Ada !", "Ahoy, Ada!"]


def test_the_default_language_is_a_setting(lamina_host: HostFactory) -> None:
    host = lamina_host(program="greeter", plugins={f"{GREETER}.greeter": {"language": "french"}})
    assert host.get(GREETER, "greeter").greet("Ada") == "Bonjour, Ada !"


def test_an_unknown_default_language_is_an_error(lamina_host: HostFactory) -> None:
    host = lamina_host(program="greeter", plugins={f"{GREETER}.greeter": {"language": "custom"}})
    with pytest.raises(Error, match="'custom' is none of english, french"):
        host.get(GREETER, "greeter")
