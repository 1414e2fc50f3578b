"""A set of plugins brought up from a configuration, and brought down again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import attrs

from lamina.config import GRPC_SERVER, Config
from lamina.context import current
from lamina.errdefs import DeadlineExceeded, Error, FailedPrecondition, NoInstance, PluginFailed
from lamina.fs import Lock
from lamina.host._directories import make_directories, temporary_files_in
from lamina.plugin import (
    ENTRY_POINT_TYPE,
    PROPERTY_GRPC_ADDRESS,
    Discovery,
    Plugin,
    PluginSet,
    PluginType,
    Readiness,
    Registration,
    Status,
    close_all,
    discover,
    initialise,
    notify,
)

_log = logging.getLogger(__name__)

_CLOSE_TIMEOUT: Final = "io.lamina.timeout.plugin.close"
"""Key in `[timeouts]`: how long closing one plugin may take."""
_CLOSE_SECONDS: Final = 10.0
_READINESS_NOTICE: Final = 0.1
"""Seconds after which somebody who waits for readiness looks whether that is still wanted."""


class Host:
    """The plugins of one root directory. Holds its lock from `start` to `stop`; can be started once.

    As a context manager: started and ready inside, stopped outside.
    """

    def __init__(self, config: Config, modules: Sequence[str] = (), *, servers: bool = True) -> None:
        """Nothing happens before `start`.

        Args:
            config: What to start. Nobody's plugins have looked at their tables yet.
            modules: Plugin modules besides those of installed packages.
            servers: Whether plugins of type SERVER are among them. A program that uses the plugins itself has
                no need of them.
        """
        self.plugins = PluginSet()
        """The record of each plugin that was found and is not disabled."""
        self.address = ""
        """Path of the gRPC socket, known once the configuration is decoded."""
        self._config = config
        self._modules = tuple(modules)
        self._servers = servers
        self._readiness = Readiness()
        self._discovery: Discovery | None = None
        self._undo = contextlib.ExitStack()

    def get(self, type: str, id: str) -> Any:  # noqa: A002 # containerd's words
        """The instance of a plugin that works. See `PluginSet.get_by_id`."""
        return self.plugins.get_by_id(type, id)

    def start(self) -> None:
        """Lock the root directory, find the plugins, initialise all of them and start the servers.

        Cancelling the call context at hand gives up before the next plugin. Whatever is raised, everything
        that was initialised is closed again, and the lock let go.

        Raises:
            ConfigError: A plugin's table is wrong; the message has all problems of all tables.
            LockHeld: Another host uses the root directory.
            PluginFailed: A required plugin does not work; or one that holds readiness back; or no server; or
                a server does not start.
            NoInstance: A required plugin is disabled or not installed.
            FailedPrecondition: The host was started before.
            Error: A directory cannot be made; a module cannot be loaded; the call was cancelled.
        """
        if self._discovery is not None:
            raise FailedPrecondition("a host can be started once: make another one")
        host = self._config.host
        with contextlib.ExitStack() as undo:
            make_directories(host)
            undo.enter_context(temporary_files_in(host.temp))
            undo.callback(self._close, Lock.acquire(f"{host.root}/lamina.lock"))
            self._discovery = discover(self._modules, host.disabled_distributions, host.disabled_plugins)
            self._initialise_all(self._discovery)
            if self._servers:
                self._start_servers()
            self._undo = undo.pop_all()

    def wait_ready(self) -> None:
        """Wait until no plugin holds readiness back, and tell the hooks so.

        Raises:
            Canceled: The call context at hand was cancelled. The host still runs.
            DeadlineExceeded: Its deadline passed. The host still runs.
        """
        while not self._readiness.wait(_READINESS_NOTICE):
            current().check()
        self._notify("lamina_host_ready", plugins=self.plugins)

    def stop(self) -> None:
        """Close the plugins, the last initialised first, and let go of the lock. Calling it again does nothing.

        A plugin that is not closed in time is left behind, and keeps the lock until the process ends.
        """
        undo = self._undo.pop_all()
        with undo:
            if self._discovery is not None:
                self._notify("lamina_host_stopping", plugins=self.plugins)

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
