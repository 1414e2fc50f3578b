"""A set of plugins brought up from a configuration, and brought down again."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import attrs

from lamina.config import Config, from_document, load
from lamina.context import current
from lamina.errdefs import FailedPrecondition, LeftBehind, NoInstance, PluginFailed
from lamina.fs import Lock
from lamina.host._directories import check_files, open_directories, temporary_files_in
from lamina.host._launcher import Launcher, names
from lamina.host._listening import Listening
from lamina.host._plan import Prepared, prepare
from lamina.host._reload import InForce, Reloaded
from lamina.host._retries import Retries
from lamina.places import LOCK
from lamina.plugin import Plan, Plugin, PluginSet, PluginType, Readiness, Registration, Status, close_all, notify

_log = logging.getLogger(__name__)

_READINESS_NOTICE: Final = 0.1
"""Seconds after which somebody who waits for readiness looks whether that is still wanted."""


class Host:
    """The plugins of one root directory. Holds its lock from `start` to `stop`; can be started once.

    As a context manager: started and ready inside, stopped outside.
    """

    def __init__(self, config: Config, modules: Sequence[str] = (), *, embedded: bool = False) -> None:
        """Nothing happens before `start`.

        Args:
            config: What to start. Its `program` names the entry-point group in which plugins are looked for:
                `<program>.plugins`.
            modules: Plugin modules besides those of installed packages.
            embedded: Whether the process is a program that uses the plugins itself. Those that answer others
                (`lamina.plugin.SERVING_TYPES`) are left out then, and `temp` has no effect: where such a program
                has its temporary files is for it to say.
        """
        self.plugins = PluginSet()
        """The record of each plugin that was found and is not disabled."""
        self.address = ""
        """Path of the gRPC socket, "" without one; known once the configuration of plugins is decoded."""
        self._config = config
        self._modules = tuple(modules)
        self._embedded = embedded
        self._readiness = Readiness()
        self._prepared: Prepared | None = None
        self._in_force = InForce(config.host)
        self._retries: Retries | None = None
        self._turn = threading.Lock()
        """Held while plugins are reconfigured or tried again."""
        self._undo: contextlib.ExitStack | None = None

    @classmethod
    def from_config(
        cls, source: str | os.PathLike[str] | Mapping[str, Any] | None = None, modules: Sequence[str] = ()
    ) -> Self:
        """A host of the same plugins inside a program: no socket, no signal handler, no environment variable.

        gRPC is not imported, unless by a plugin of `proxy_plugins`, which lives behind a socket.

        Args:
            source: A configuration file, see `lamina.config.load`; or what would stand in one, see
                `lamina.config.from_document`. None: the default file.
            modules: Plugin modules besides those of installed packages.

        Raises:
            ConfigError: The configuration is wrong. What plugins' tables hold is looked at by `start`.
        """
        config = from_document(source) if isinstance(source, Mapping) else load(source)
        return cls(config, modules, embedded=True)

    @property
    def program(self) -> str:
        """Whose host this is: `Config.program`."""
        return self._config.program

    def get(self, type: str, id: str) -> Any:  # noqa: A002 # containerd's words
        """The instance of a plugin that works. See `PluginSet.get_by_id`.

        Raises:
            FailedPrecondition: The host does not run: instances are closed with it.
        """
        if self._undo is None:
            raise FailedPrecondition(f"get {type}.{id}: the host does not run: plugins work from start to stop")
        return self.plugins.get_by_id(type, id)

    def start(self) -> None:
        """Find the plugins, lock the root directory, initialise all of them and start the servers.

        Nothing is made in the file system before the whole configuration is found to be in order.

        Cancelling the call context at hand gives up before the next plugin. Whatever is raised, everything
        that was initialised is closed again, and the lock let go, unless something was left behind (`stop`).

        Raises:
            ConfigError: The configuration is wrong; the message has all problems of all plugins' tables, and the
                deferred ones (`lamina.config.load`).
            LockHeld: Another host uses the root directory.
            PluginFailed: A required plugin does not work; or one that holds readiness back; or no server; or
                a server does not start.
            NoInstance: A required plugin is disabled or not installed.
            FailedPrecondition: The host was started before.
            PermissionDenied: Another user could change the configuration, or what the host has in its directories.
            Error: A directory cannot be made; a module cannot be loaded; the call was cancelled.
        """
        if self._prepared is not None:
            raise FailedPrecondition("a host can be started once: make another one")
        check_files(self._config)
        host = self._config.host
        prepared = prepare(self._config, self._modules, embedded=self._embedded)
        for warning in prepared.warnings:
            _log.warning(warning)
        with contextlib.ExitStack() as undo:
            root = undo.enter_context(open_directories(host))
            if not self._embedded:
                undo.enter_context(temporary_files_in(host.temp))
            undo.push(self._closer(Lock.acquire(root.path_of(LOCK), dir_fd=root.fd)))
            self._prepared = prepared
            self._in_force.host, self._in_force.configs = prepared.config.host, dict(prepared.configs)
            self.address = prepared.address
            prepared.plan.check_presence()
            listening = undo.enter_context(Listening())
            launcher = Launcher(
                prepared.plan.registry, self.plugins, self._in_force, self.address, listening, self._notify
            )
            for registration in prepared.plan.order:
                launcher.listen(registration)
            for plugin in prepared.plan.carry_out(self.plugins, functools.partial(self._initialise, launcher)):
                launcher.tell(plugin)
                prepared.plan.check(plugin)
            prepared.plan.check_bound(self.plugins)
            if not self._embedded:
                self._start_servers(prepared.plan, launcher)
            self._retries = Retries(prepared.plan.order, launcher, self._turn)
            self._retries.start()
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

    def reload(self, config: Config) -> Reloaded:
        """Have what can change while the host runs be as in another configuration.

        That is `debug` and `timeouts`, and what plugins' registrations call `live`. What is logged is up to who
        called `configure_logging`, and calls it again. No package is imported anew: plugins stay those that
        were found at the start. One reload at a time; cancelling the call context at hand gives up before the
        next plugin.

        Returns:
            What holds now, and what does not. A later reload compares with what holds then.

        Raises:
            FailedPrecondition: The host does not run.
            PermissionDenied: Another user could change the configuration.
            ConfigError: The configuration is wrong, as for `start`. Nothing has changed.
            Error: It has no place for a plugin (nothing has changed); or the call was cancelled.
        """
        with self._turn:
            if self._prepared is None or self._undo is None:
                raise FailedPrecondition("the host does not run")
            check_files(config)
            discovery = self._prepared.plan.discovery
            new = prepare(config, self._modules, embedded=self._embedded, discovery=discovery)
            for warning in new.warnings:
                _log.warning(warning)
            reloaded = self._in_force.reload(new, self.plugins)
            if self._retries is not None:
                self._retries.hurry()
            return reloaded

    def stop(self) -> None:
        """Close the plugins, each before those that it requires, and let go of the lock.

        Calling it again does nothing.

        A plugin of which a step goes on, as it did not end in time, keeps the lock until the process ends: it may
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

    def _initialise(self, launcher: Launcher, registration: Registration[Any]) -> Plugin:
        current().check()
        _log.info("loading plugin", extra=names(registration))
        return launcher.initialise(registration, self._readiness)

    def _start_servers(self, plan: Plan, launcher: Launcher) -> None:
        """Start the servers in the order in which they were initialised.

        Raises:
            PluginFailed: One does not start; or there are servers, and none works.
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
            except Exception as error:
                failed = attrs.evolve(plugin, status=Status.FAILED, error=error)
                raise PluginFailed(f"start {plugin.uri}: {failed.problem}") from error

    def _notify(self, hook_name: str, **arguments: object) -> None:
        if self._prepared is not None:
            notify(self._prepared.plan.discovery.manager, hook_name, **arguments)

    def _closer(self, lock: Lock) -> Callable[..., None]:
        """What closes the plugins at the end, and lets go of the lock if none of them can write any more."""

        def close(_kind: object, error: BaseException | None, _traceback: object) -> None:
            if self._retries is not None:
                self._retries.stop()
            seconds = self._in_force.timeout("close")
            idle = self._turn.acquire(timeout=seconds)
            problems = close_all(self.plugins, seconds)
            ends = [
                *(plugin.error for plugin in self.plugins),
                *self._in_force.left_behind.values(),
                *problems.values(),
                error and error.__cause__,
            ]
            if not idle:
                return
            self._turn.release()
            if not any(isinstance(end, LeftBehind) and end.goes_on for end in ends):
                lock.close()

        return close
