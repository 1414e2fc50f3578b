"""`InitContext`: the argument of a plugin's init."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lamina.errdefs import FailedPrecondition
from lamina.plugin._plugins import Instances, Meta, Plugin, PluginSet
from lamina.plugin._types import PROPERTY_ROOT_DIR, PROPERTY_STATE_DIR
from lamina.plugin.lifecycle._readiness import Readiness

if TYPE_CHECKING:
    from pathlib import Path

C = TypeVar("C")


class InitContext(Generic[C]):
    """The configuration, directories and look-ups for the init of one plugin.

    It may be used after init has returned; look-ups then also find plugins initialised later.
    """

    def __init__(
        self,
        *,
        uri: str,
        config: C,
        properties: dict[str, str],
        listening: Any = None,
        plugins: PluginSet,
        readiness: Readiness,
    ) -> None:
        self.uri = uri
        """The URI of the plugin."""
        self.config = config
        """The decoded configuration; None if the registration has no `config`."""
        self.properties = properties
        """Properties of the host and directories of the plugin, by the names in the `PROPERTY_…` constants."""
        self.listening = listening
        """The result of `Registration.listen`. None without that function, and in a retry, since the address has
        been closed."""
        self.meta = Meta()
        """Exports, platforms and capabilities of the plugin, for init to fill in."""
        self.registered_readiness = False
        self._plugins = plugins
        self._readiness = readiness
        self._revoked = False

    @property
    def root(self) -> Path:
        """`<root>/<URI>`, for data that survives a reboot. Not created by the host."""
        return _path(self.properties[PROPERTY_ROOT_DIR])

    @property
    def state(self) -> Path:
        """`<state>/<URI>`, for data that does not. Not created by the host."""
        return _path(self.properties[PROPERTY_STATE_DIR])

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
        """Return the records of all plugins so far, including skipped, failed and blocked ones."""
        return self._valid_plugins().get_all()

    def register_readiness(self) -> Callable[[], None]:
        """Delay the readiness of the host until the returned function is called.

        The init must succeed after this call; otherwise the host does not start.
        """
        self._valid_plugins()
        self.registered_readiness = True
        return self._readiness.register(self.uri)

    def revoke(self) -> None:
        """Refuse all look-ups from now on, because the init missed its deadline."""
        self._revoked = True

    def _valid_plugins(self) -> PluginSet:
        if self._revoked:
            raise FailedPrecondition(f"{self.uri} was left behind: its init did not end in time")
        return self._plugins


def _path(path: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 # slow to import, and few plugins need it

    return Path(path)
