"""The fixture `lamina_host`: hosts for the tests of any plugin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.config import from_document
from lamina.host import Host


@attrs.define(eq=False)
class HostFactory:
    """Starts hosts in one directory, and stops those that still run when the test ends, the last one first.

    A call starts a host with the plugins that are installed, and returns it ready::

        def test_it_greets_in_the_words_it_was_given(lamina_host):
            host = lamina_host(program="greeter", plugins={"com.example.greeting.v1.custom": {"template": "Ahoy"}})
            assert host.get("com.example.greeting.v1", "custom") == "Ahoy"

    Every host of a test uses the same root directory: `host.stop()` and another call are a restart.
    """

    directory: Path
    """Holds `root` and `state` of the hosts."""
    _running: contextlib.ExitStack = attrs.field(factory=contextlib.ExitStack, init=False)

    def __call__(
        self,
        *modules: str,
        program: str = "lamina",
        serve: bool = False,
        plugins: Mapping[str, Mapping[str, Any]] | None = None,
        **settings: Any,
    ) -> Host:
        """Start a host and wait until it is ready.

        Args:
            modules: Plugin modules to load besides those of installed packages. A test module that registers
                stand-ins for what its plugin requires passes its own `__name__`.
            program: The program whose plugins are loaded: those of the entry-point group `<program>.plugins`.
            serve: Whether to start servers and what they serve, too (`lamina.plugin.SERVING_TYPES`). The socket is
                `Host.address` then.
            plugins: The table of each plugin that has one, by URI.
            settings: Other settings of the top level, such as `disabled_plugins`.

        Raises:
            ConfigError: A setting is unknown or wrong.
            Error: The host does not start, see `lamina.host.Host.start`. Where a plugin fails, it does: `Host.get`
                raises then.
        """
        directories = {"root": self.directory / "root", "state": self.directory / "state"}
        document = {**directories, **settings, "plugins": plugins or {}}
        host = Host(from_document(document, program=program), modules, embedded=not serve)
        return self._running.enter_context(host)

    def close(self) -> None:
        """Stop the hosts that still run."""
        self._running.close()


@pytest.fixture
def lamina_host(tmp_path: Path) -> Iterator[HostFactory]:
    """A function that starts hosts for the test: `lamina.testing.HostFactory`."""
    with contextlib.closing(HostFactory(tmp_path)) as factory:
        yield factory
