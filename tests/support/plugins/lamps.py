"""A plugin whose configuration can change while it runs."""

from __future__ import annotations

import attrs

from lamina.errdefs import (
    InvalidArgument,
)
from lamina.plugin import InitContext

URI = "x.light.v1.lamp"


def _level(_: object, __: object, level: int) -> None:
    if level < 0:
        raise InvalidArgument("darker than dark")


@attrs.frozen
class LampConfig:
    level: int = attrs.field(default=1, validator=_level)
    colours: dict[str, str] = attrs.field(factory=dict)
    socket: str = "E27"
    least: int = attrs.field(default=0)

    @least.validator
    def _check_least(self, _: object, least: int) -> None:
        if least > self.level:
            raise InvalidArgument(f"level is below {least}")


class Lamp:
    """Notes every configuration that it is given."""

    def __init__(self, ic: InitContext[LampConfig]) -> None:
        self.given = [ic.config]

    def reconfigure(self, config: LampConfig) -> None:
        if config.level == 13:
            raise ValueError("fuse blown")
        self.given.append(config)
