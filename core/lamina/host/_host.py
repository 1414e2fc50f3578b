"""`Host`: starts the plugins of a configuration, and stops them."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import attrs

from lamina.config import Config, from_document, load
from lamina.context import current
from lamina.errdefs import FailedPrecondition, LeftBehind, NoInstance, PluginFailed, is_interrupt
from lamina.fs import Lock
from lamina.host._directories import check_files, open_directories, temporary_files_in
from lamina.host._launcher import Launcher, log_fields
from lamina.host._listening import Listening
from lamina.host._plan import Prepared, prepare
from lamina.host._reload import ActiveConfig, Reloaded
from lamina.host._retries import Retries
from lamina.places import LOCK
from lamina.plugin import (
    Plan,
    Plugin,
    PluginSet,
    PluginType,
    Readiness,
    Registration,
    Status,
    Worker,
    close_all,
    notify,
)

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.1
"""Seconds between checks for cancellation while waiting for readiness."""


class Host:
    """The plugins of one root directory, whose lock it holds from `start` to `stop`. It can be started once.

    As a context manager, it is started and ready inside the block, and stopped after it.
    """

    def __init__(self, config: Config, modules: Sequence[str] = (), *, embedded: bool = False) -> None:
        """Create a host that is not started.

        Args:
            config: The configuration. Its `program` names the entry-point group of the plugins:
                `<program>.plugins`.
            modules: Plugin modules to load besides those of installed packages.
            embedded: Whether this process is a program that uses the plugins itself. Plugins that serve other
                programs (`lamina.plugin.SERVING_TYPES`) are left out then, and `temp` has no effect.
        """
        self.plugins = PluginSet()
        """The record of each plugin that was found and is not disabled."""
        self.address = ""
        """Path of the gRPC socket, or ""; set when the configuration of the plugins is decoded."""
        self._config = config
        self._modules = tuple(modules)
        self._embedded = embedded
        self._readiness = Readiness()
        self._prepared: Prepared | None = None
        self._active = ActiveConfig(config.host)
        self._retries: Retries | None = None
        self._changing = threading.Lock()
        """Held while plugins are reconfigured or retried."""
        self._undo: contextlib.ExitStack | None = None

    @classmethod
    def from_config(
        cls, source: str | os.PathLike[str] | Mapping[str, Any] | None = None, modules: Sequence[str] = ()
    ) -> Self:
        """Create an embedded host: no socket, no signal handler, no environment variable.

        gRPC is not imported, except by plugins of `[proxy_plugins]`. Modules that only some calls need are
        imported by these calls, from the files as they are then; see `lamina.lazy.keep_code`.

        Args:
            source: The path of a configuration file, see `lamina.config.load`, or the contents of one, see
                `lamina.config.from_document`. None: the default file.
            modules: Plugin modules to load besides those of installed packages.

        Raises:
            ConfigError: The top level of the configuration is wrong. `start` checks the tables of plugins.
        """
        config = from_document(source) if isinstance(source, Mapping) else load(source)
        return cls(config, modules, embedded=True)

    @property
    def program(self) -> str:
        """The name of the program: `Config.program`."""
        return self._config.program

    @property
    def packages(self) -> set[str]:
        """The packages of the plugins that were found. None before the start."""
        return set() if self._prepared is None else self._prepared.plan.registry.packages

    def get(self, type: str, id: str) -> Any:  # noqa: A002 # containerd's words
        """Return the instance of a plugin. See `PluginSet.get_by_id`.

        Raises:
            FailedPrecondition: The host is not running.
        """
        if self._undo is None:
            raise FailedPrecondition(f"get {type}.{id}: the host is not running: plugins work from start to stop")
        return self.plugins.get_by_id(type, id)

    def start(self) -> None:
        """Find the plugins, lock the root directory, initialise the plugins and start the servers.

        The file system is not changed before the whole configuration has been checked.

        Cancelling the current call context stops the start before the next plugin. If the start fails, the plugins
        that were initialised are closed and the lock is released, unless a plugin was left behind (`stop`).

        Raises:
            ConfigError: The configuration is wrong; the message has all problems, including the deferred ones
                (`lamina.config.load`).
            LockHeld: Another host uses the root directory.
            PluginFailed: A required plugin, a plugin that delays readiness, all servers, or the start of a server
                failed.
            NoInstance: A required plugin is disabled or not installed.
            FailedPrecondition: The host was started before.
            PermissionDenied: Another user can change the configuration or the host's directories.
            Error: A directory cannot be created; a module cannot be loaded; the call was cancelled.
        """
        if self._prepared is not None:
            raise FailedPrecondition("a host can be started only once: create another one")
        check_files(self._config)
        host = self._config.host
        prepared = prepare(self._config, self._modules, embedded=self._embedded, defer=True)
        for warning in prepared.warnings:
            _log.warning(warning)
        prepared.check()
        with contextlib.ExitStack() as undo:
            root = undo.enter_context(open_directories(host))
            if not self._embedded:
                undo.enter_context(temporary_files_in(host.temp))
            undo.push(self._closer(Lock.acquire(root.path_of(LOCK), dir_fd=root.fd)))
            self._prepared = prepared
            self._active.host, self._active.configs = prepared.config.host, dict(prepared.configs)
            self.address = prepared.address
            prepared.plan.check_presence()
            listening = undo.enter_context(Listening())
            worker = Worker()
            launcher = Launcher(
                prepared.plan.registry, self.plugins, self._active, self.address, listening, self._notify, worker
            )
            with worker:
                self._bring_up(prepared.plan, launcher)
            self._retries = Retries(prepared.plan.order, launcher, self._changing)
            self._retries.start()
            self._undo = undo.pop_all()

    def wait_ready(self) -> None:
        """Wait until no plugin delays readiness, then call the hooks `lamina_host_ready`.

        Raises:
            Canceled: The current call context was cancelled. The host keeps running.
            DeadlineExceeded: The deadline of the context passed. The host keeps running.
        """
        while not self._readiness.wait(_POLL_SECONDS):
            current().check()
        self._notify("lamina_host_ready", plugins=self.plugins)

    def reload(self, config: Config) -> Reloaded:
        """Apply the reloadable settings of another configuration.

        These are `debug`, `timeouts`, and the `live` fields of plugins. The caller applies `debug` with
        `configure_logging`. No package is imported: the plugins stay those found at the start. Reloads run one at
        a time. Cancelling the current call context stops a reload before the next plugin.

        Returns:
            The settings that were applied, and those that were not.

        Raises:
            FailedPrecondition: The host is not running.
            PermissionDenied: Another user can change the configuration.
            ConfigError: The configuration is wrong, as for `start`. Nothing has changed.
            Error: The plugins of the configuration cannot be planned (nothing has changed), or the call was
                cancelled.
        """
        with self._changing:
            if self._prepared is None or self._undo is None:
                raise FailedPrecondition("the host is not running")
            check_files(config)
            discovery = self._prepared.plan.discovery
            new = prepare(config, self._modules, embedded=self._embedded, discovery=discovery, defer=True)
            for warning in new.warnings:
                _log.warning(warning)
            new.check()
            reloaded = self._active.reload(new, self.plugins)
            if self._retries is not None:
                self._retries.retry_now()
            return reloaded

    def stop(self) -> None:
        """Close the plugins, each before the plugins that it requires, and release the lock.

        Calling it again does nothing. If a call of a plugin was left behind and still runs, the lock is held until
        the process ends, since the plugin may still write.
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

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _bring_up(self, plan: Plan, launcher: Launcher) -> None:
        """Open the addresses, initialise the plugins and start the servers."""
        for registration in plan.order:
            launcher.listen(registration)
        for plugin in plan.carry_out(self.plugins, functools.partial(self._initialise, launcher)):
            launcher.report(plugin)
            plan.check(plugin)
        plan.check_bound(self.plugins)
        if not self._embedded:
            self._start_servers(plan, launcher)

    def _initialise(self, launcher: Launcher, registration: Registration[Any]) -> Plugin:
        current().check()
        _log.info("loading plugin", extra=log_fields(registration))
        return launcher.initialise(registration, self._readiness)

    def _start_servers(self, plan: Plan, launcher: Launcher) -> None:
        """Start the servers in the order in which they were initialised.

        Raises:
            PluginFailed: A server does not start; or there are servers, and none works.
        """
        try:
            plan.check_servers(self.plugins)
        except NoInstance as error:
            _log.warning("nothing is served", extra={"error": str(error)})
        for plugin in self.plugins.of_type(PluginType.SERVER):
            if plugin.status is not Status.OK:
                continue
            current().check()
            try:
                launcher.start_server(plugin)
            except BaseException as error:
                if is_interrupt(error):
                    raise
                failed = attrs.evolve(plugin, status=Status.FAILED, error=error)
                raise PluginFailed(f"start {plugin.uri}: {failed.problem}") from error

    def _notify(self, hook_name: str, **arguments: object) -> None:
        if self._prepared is not None:
            notify(self._prepared.plan.discovery.manager, hook_name, **arguments)

    def _closer(self, lock: Lock) -> Callable[..., None]:
        """Return a function that closes the plugins, and the lock unless a plugin may still write."""

        def close(_kind: object, error: BaseException | None, _traceback: object) -> None:
            if self._retries is not None:
                self._retries.stop()
            seconds = self._active.timeout("close")
            idle = self._changing.acquire(timeout=seconds)
            problems = close_all(self.plugins, seconds)
            ends = [
                *(plugin.error for plugin in self.plugins),
                *self._active.left_behind.values(),
                *problems.values(),
                error and error.__cause__,
            ]
            if not idle:
                return
            self._changing.release()
            if not any(isinstance(end, LeftBehind) and end.is_running for end in ends):
                lock.close()

        return close
