"""What a plugin's init is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from lamina.errdefs import FailedPrecondition
from lamina.plugin._plugins import Instances, Meta, Plugin, PluginSet
from lamina.plugin._readiness import Readiness

C = TypeVar("C")


@attrs.define(kw_only=True, eq=False)
class InitContext(Generic[C]):
    """The circumstances of one plugin's init, and its way to the others.

    May be kept after init has ended: the look-ups then see plugins that came later, too.
    """

    uri: str
    """The plugin's own URI."""
    config: C
    """The plugin's configuration, decoded; None where its registration has no `config`."""
    root: Path
    """`<root>/<URI>`, for what survives a restart. Not created."""
    state: Path
    """`<state>/<URI>`, for what does not. Not created."""
    properties: dict[str, str]
    """What the host tells, by the `PROPERTY_…` names."""
    listening: Any = None
    """What `Registration.listen` returned. None where there is no such function, and when a plugin is tried again
    whose address was closed."""
    meta: Meta = attrs.field(factory=Meta)
    """What the plugin tells of itself: for init to fill in."""
    registered_readiness: bool = attrs.field(default=False, init=False)
    _plugins: PluginSet
    _readiness: Readiness
    _revoked: bool = attrs.field(default=False, init=False)

    def get_single(self, type: str) -> Any:  # noqa: A002 - containerd's word
        """See `PluginSet.get_single`."""
        return self._valid_plugins().get_single(type)

    def get_by_id(self, type: str, id: str) -> Any:  # noqa: A002 - containerd's words
        """See `PluginSet.get_by_id`."""
        return self._valid_plugins().get_by_id(type, id)

    def get_by_type(self, type: str) -> Instances:  # noqa: A002 - containerd's word
        """See `PluginSet.get_by_type`."""
        return self._valid_plugins().get_by_type(type)

    def get_all(self) -> tuple[Plugin, ...]:
        """The records of all plugins so far: also of the skipped, failed and blocked ones."""
        return self._valid_plugins().get_all()

    def register_readiness(self) -> Callable[[], None]:
        """Keep the host from saying that it is ready until the returned function is called.

        Whoever calls this must then succeed: otherwise the host does not start.
        """
        self._valid_plugins()
        self.registered_readiness = True
        return self._readiness.register(self.uri)

    def revoke(self) -> None:
        """From now on, refuse everything: the plugin was left behind, and is to reach no other one any more."""
        self._revoked = True

    def _valid_plugins(self) -> PluginSet:
        if self._revoked:
            raise FailedPrecondition(f"{self.uri} was left behind: its init did not end in time")
        return self._plugins
