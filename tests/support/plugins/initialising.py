"""As much of a host as an init sees, and inits that work, fail and skip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from lamina.errdefs import (
    SkipPlugin,
)
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    InitContext,
    Plugin,
    PluginSet,
    Readiness,
    Registration,
    Registry,
    initialise,
)

Init = Callable[[InitContext[Any]], object]


@attrs.define
class Host:
    """As much of a host as an init sees."""

    plugins: PluginSet = attrs.field(factory=PluginSet)
    readiness: Readiness = attrs.field(factory=Readiness)

    def run(
        self, uri: str, init: Init, *requires: str, config: object = None, seconds: float | None = None
    ) -> Plugin:
        plugin_type, _, plugin_id = uri.rpartition(".")
        return self.initialise(
            Registration(type=plugin_type, id=plugin_id, requires=requires, init=init, distribution="dist"),
            config=config,
            seconds=seconds,
        )

    def initialise(
        self, registration: Registration[Any], *, config: object, seconds: float | None = None
    ) -> Plugin:
        plugin = initialise(
            registration,
            config=config,
            root=Path("/root-dir"),
            state=Path("/state-dir"),
            properties={PROPERTY_GRPC_ADDRESS: "/sock"},
            plugins=self.plugins,
            readiness=self.readiness,
            contract=Registry().contract(registration.type),
            seconds=seconds,
        )
        self.plugins.add(plugin)
        return plugin


def works(_: InitContext[Any]) -> object:
    return "instance"


def fails(_: InitContext[Any]) -> object:
    raise OSError("disk is full")


def skips(_: InitContext[Any]) -> object:
    raise SkipPlugin("not on this kernel")
