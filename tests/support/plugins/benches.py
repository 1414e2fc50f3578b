"""Hosts whose plugins are the test's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from lamina.config import Config, from_document
from lamina.host import Host
from lamina.plugin import (
    InitContext,
    PluginSet,
    Registration,
    hookimpl,
)

Init = Callable[[InitContext[Any]], object]
Steps = list[str]


@attrs.frozen
class Closable:
    """An instance that notes when it is started and closed."""

    name: str
    steps: Steps

    def start(self) -> None:
        self.steps.append(f"start {self.name}")

    def close(self) -> None:
        self.steps.append(f"close {self.name}")


@attrs.define
class Bench:
    """Makes hosts whose only plugins are those given here."""

    directory: Path
    name: str
    monkeypatch: pytest.MonkeyPatch
    registrations: list[Registration[Any]] = attrs.field(factory=list)
    steps: Steps = attrs.field(factory=list)
    hooks: dict[str, Callable[..., object]] = attrs.field(factory=dict)

    def plugin(self, uri: str, init: Init | None = None, **fields: Any) -> None:
        """Register a plugin; without an init, one that notes what happens to it."""

        def note(ic: InitContext[Any]) -> Closable:
            self.steps.append(f"init {id_}")
            return Closable(id_, self.steps)

        type_, _, id_ = uri.rpartition(".")
        self.registrations.append(Registration(type=type_, id=id_, init=init or note, **fields))

    def host(self, embedded: bool = False, **settings: Any) -> Host:
        module = ModuleType(self.name)
        vars(module)["lamina_register"] = hookimpl(lambda: self.registrations)
        for name, hook in self.hooks.items():
            vars(module)[name] = hookimpl(hook)
        self.monkeypatch.setitem(sys.modules, self.name, module)
        return Host(self.config(**settings), [self.name], embedded=embedded)

    def config(self, **settings: Any) -> Config:
        """The configuration of a host without the built-in plugins."""
        paths = {"root": str(self.directory / "root"), "state": str(self.directory / "state")}
        return from_document({"disabled_distributions": ["lamina"], **paths, **settings})


def statuses(plugins: PluginSet) -> dict[str, str]:
    return {plugin.id: plugin.status for plugin in plugins}
