"""A set of plugins brought up from a configuration, and brought down again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import attrs

from lamina.config import GRPC_SERVER, Config
from lamina.context import current
from lamina.errdefs import DeadlineExceeded, Error, FailedPrecondition, NoInstance, PluginFailed
from lamina.fs import Lock
from lamina.host._directories import make_directories, temporary_files_in
from lamina.host._proxies import proxy_registrations
from lamina.host._required import check_outcome, check_presence
from lamina.plugin import (
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
            config: What to start.
            modules: Plugin modules besides those of installed packages.
            servers: Whether plugins of type SERVER are among them. A program that uses the plugins itself has
                no need of them.
        """
        self.plugins = PluginSet()
        """The record of each plugin that was found and is not disabled."""
        self.address = ""
        """Path of the gRPC socket; known once the configuration of plugins is decoded."""
        self._config = config
        self._modules = tuple(modules)
        self._servers = servers
        self._readiness = Readiness()
        self._discovery: Discovery | None = None
        self._undo: contextlib.ExitStack | None = None

    def get(self, type: str, id: str) -> Any:  # noqa: A002 # containerd's words
        """The instance of a plugin that works. See `PluginSet.get_by_id`."""
        return self.plugins.get_by_id(type, id)

    def start(self) -> None:
        """Find the plugins, lock the root directory, initialise all of them and start the servers.

        Nothing is made in the file system before the whole configuration is found to be in order.

        Cancelling the call context at hand gives up before the next plugin. Whatever is raised, everything
        that was initialised is closed again, and the lock let go.

        Raises:
            ConfigError: The configuration is wrong; the message has all problems of all plugins' tables, and the
                deferred ones (`lamina.config.load`).
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
        discovery = discover(self._modules, host.disabled_distributions, host.disabled_plugins)
        configs = self._decode(discovery)
        with contextlib.ExitStack() as undo:
            make_directories(host)
            undo.enter_context(temporary_files_in(host.temp))
            undo.callback(self._close, Lock.acquire(f"{host.root}/lamina.lock"))
            self._discovery = discovery
            self._initialise_all(discovery, configs)
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

        A plugin that is not closed in time is left behind, and keeps the lock until the process ends: it may
        still write.
        """
        undo, self._undo = self._undo, None
        if undo is not None:
            with undo:
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

    def _decode(self, discovery: Discovery) -> dict[str, object]:
        """The plugins' configurations, by URI."""
        schemas = {one.uri: one.config for one in discovery.registry}
        configs, warnings = self._config.decode_plugins(schemas, [plugin.uri for plugin in discovery.failed])
        for warning in (*self._config.warnings, *warnings):
            _log.warning(warning)
        return configs

    def _initialise_all(self, discovery: Discovery, configs: Mapping[str, object]) -> None:
        host, registry = self._config.host, discovery.registry
        for registration in proxy_registrations(host.proxy_plugins):
            registry = registry.register(registration)
        self.address = self._grpc_address(configs)
        failed = [plugin for plugin in discovery.failed if plugin.uri not in host.disabled_plugins]
        check_presence(host, [*(one.uri for one in registry), *(plugin.uri for plugin in failed)], failed)
        for plugin in failed:
            self._add(plugin)
        for registration in registry.graph(self._disabled(discovery)):
            current().check()
            _log.info("loading plugin", extra=_names(registration))
            self._add(
                initialise(
                    registration,
                    config=configs.get(registration.uri),
                    root=Path(host.root),
                    state=Path(host.state),
                    plugins=self.plugins,
                    readiness=self._readiness,
                    properties={PROPERTY_GRPC_ADDRESS: self.address},
                )
            )

    def _disabled(self, discovery: Discovery) -> list[str]:
        """URIs of what is not initialised."""
        servers = [one.uri for one in discovery.registry if one.type == PluginType.SERVER]
        return [*self._config.host.disabled_plugins, *(() if self._servers else servers)]

    def _grpc_address(self, configs: Mapping[str, object]) -> str:
        """The address that the listener is given, or the one that it will take."""
        given: object = getattr(configs.get(GRPC_SERVER), "address", "")
        if isinstance(given, str) and given:
            return given.removeprefix("unix://")
        return f"{self._config.host.state}/lamina.sock"

    def _add(self, plugin: Plugin) -> None:
        """Keep a plugin's record, and tell of it.

        Raises:
            PluginFailed: The host cannot go on without it.
        """
        self.plugins.add(plugin)
        fields = {**_names(plugin), "status": plugin.status, "milliseconds": round(plugin.seconds * 1000, 1)}
        match plugin.status:
            case Status.OK:
                _log.info("loaded plugin", extra=fields)
                self._notify("lamina_initialised", plugin=plugin)
            case Status.SKIPPED:
                _log.info("skip loading plugin", extra={**fields, "error": plugin.reason})
                self._notify("lamina_skipped", plugin=plugin)
            case Status.FAILED | Status.BLOCKED:
                # lamina's own errors say what is wrong; of others only the traceback may.
                unexpected = None if isinstance(plugin.error, Error) else plugin.error
                fields["error"] = plugin.problem
                _log.warning("failed to load plugin", extra=fields, exc_info=unexpected)
                self._notify("lamina_failed", plugin=plugin)
        check_outcome(plugin, self._config.host.required_plugins)

    def _start_servers(self) -> None:
        """Start the servers in the order in which they were initialised.

        Raises:
            PluginFailed: One does not start; or there are servers, and none works.
        """
        try:
            self.plugins.get_by_type(PluginType.SERVER)
        except NoInstance as error:
            _log.warning("nothing is served", extra={"error": str(error)})
        for plugin in self.plugins.of_type(PluginType.SERVER):
            if plugin.status is not Status.OK:
                continue
            current().check()
            try:
                plugin.instance.start()
            except Exception as error:
                failed = attrs.evolve(plugin, status=Status.FAILED, error=error)
                raise PluginFailed(f"start {plugin.uri}: {failed.problem}") from error
            address = {"address": self.address} if plugin.uri == GRPC_SERVER else {}
            _log.info("serving...", extra=_names(plugin) | address)

    def _notify(self, hook_name: str, **arguments: object) -> None:
        if self._discovery is not None:
            notify(self._discovery.manager, hook_name, **arguments)

    def _close(self, lock: Lock) -> None:
        seconds = self._config.host.timeouts.get(_CLOSE_TIMEOUT, _CLOSE_SECONDS)
        problems = close_all(self.plugins, seconds)
        if not any(isinstance(problem, DeadlineExceeded) for problem in problems.values()):
            lock.close()


def _names(plugin: Plugin | Registration[Any]) -> dict[str, str]:
    """A plugin as containerd's log lines name it."""
    return {"id": plugin.id, "type": plugin.type}
