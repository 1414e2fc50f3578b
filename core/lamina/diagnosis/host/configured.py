"""The host that a command refers to, as its configuration describes it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from lamina.client import RemotePlugin
from lamina.config import Config, default_state, load
from lamina.errdefs import ConfigError, Error, Unavailable
from lamina.host import Prepared, prepare
from lamina.places import SOCKET, default_address
from lamina.plugin import Finding, Plugin, PluginType, diagnose
from lamina.snapshots.recovery import Places

INTROSPECTION = f"{PluginType.GRPC}.introspection"
"""The plugin that exports the directories of its host."""


@attrs.frozen
class ConfiguredHost:
    """The host that a configuration describes. The configuration may be invalid."""

    file: str | None
    """The configuration file given, or None."""
    address: str
    """Path of the host's socket."""
    config: Config | None = None
    """None if it cannot be read."""
    prepared: Prepared | None = None
    """None if it is invalid."""
    error: Error | None = None
    """The reason why it is invalid."""
    warnings: tuple[str, ...] = ()
    """Settings without effect, and those that name missing plugins, one sentence per setting."""
    options: str = ""
    """The options that override the file, as the user would type them again, each with a leading space."""
    modules: Sequence[str] = ()
    """Plugin modules besides those of installed packages."""
    is_named: bool = False
    """True if a file, a root or a state was given, which determines the directories."""
    is_known: bool = True
    """False if the directories of the host behind the socket are unknown: only an address was given, which
    differs from the configuration's."""
    another_host: str = ""
    """The root of the host that answers, if it differs from the one given."""
    exports: Mapping[str, Mapping[str, str]] = attrs.field(factory=dict)
    """The exports of the running host's plugins, by URI; empty if none was asked."""

    @classmethod
    def find(
        cls,
        file: str | None = None,
        *,
        root: str | None = None,
        state: str | None = None,
        address: str | None = None,
        log_level: str | None = None,
        modules: Sequence[str] = (),
    ) -> ConfiguredHost:
        """Read a configuration as `lamina serve` would. An invalid one does not fail: see `error`.

        Args:
            file: The file; None: the default file, if it exists.
            root: Overrides the file, as do the next three.
            state: See `root`.
            address: See `root`.
            log_level: See `root`.
            modules: Plugin modules besides those of installed packages.
        """
        given = address or os.environ.get("LAMINA_ADDRESS")
        socket = (given or f"{state or default_state()}/{SOCKET}").removeprefix("unix://")
        options = _options(root, state, address, modules)
        is_named = bool(file or root or state or _named_by_environment())
        host = cls(file, os.path.abspath(socket), options=options, modules=modules, is_named=is_named)
        try:
            config = load(file, defer=True).with_overrides(
                os.environ, root=root, state=state, address=address, log_level=log_level
            )
        except Error as error:
            return attrs.evolve(host, error=error)
        usual = f"{config.host.state}/{SOCKET}"
        is_known = is_named or not given or host.address == usual
        socket = host.address if given else usual
        return attrs.evolve(host, address=socket, is_known=is_known).with_config(config)

    def with_config(self, config: Config) -> ConfiguredHost:
        """Return a copy with another configuration, prepared as far as it is valid."""
        discovery = self.prepared.plan.discovery if self.prepared else None
        warnings = config.warnings
        try:
            prepared = prepare(config, self.modules, discovery=discovery, defer=True)
            warnings = prepared.warnings
            prepared.check()
        except Error as error:
            return attrs.evolve(self, config=config, error=error, warnings=warnings)
        # Without a configured listener, another host may still serve at the default address.
        address = prepared.address or self.address
        config = prepared.config
        return attrs.evolve(self, address=address, config=config, prepared=prepared, error=None, warnings=warnings)

    def of_host(self, plugins: Sequence[RemotePlugin]) -> ConfiguredHost:
        """Return a copy with the directories that the running host reports.

        Args:
            plugins: Its plugins. If they export no directories, or different ones, the directories stay;
                `another_host` names the latter.
        """
        exports = {plugin.uri: plugin.exports for plugin in plugins if plugin.init_error is None}
        exported = exports.get(INTROSPECTION, {})
        if self.config is None or not {"root", "state"} <= exported.keys():
            return attrs.evolve(self, exports=exports)
        if self.is_named and exported["root"] != self.config.host.root:
            return attrs.evolve(self, another_host=exported["root"])
        config = self.config.with_overrides(root=exported["root"], state=exported["state"])
        found = attrs.evolve(self, exports=exports, is_known=True).with_config(config)
        return attrs.evolve(found, address=self.address)

    def command(self, words: str, *, overridden: bool = False) -> str:
        """Return the command line of a lamina command for this configuration.

        Args:
            words: The command, such as `plugins why`.
            overridden: Whether it takes the options that override the file.
        """
        file = "" if self.file is None else f" -c {shlex.quote(self.file)}"
        return f"lamina {words}{file}{self.options if overridden else ''}"

    @property
    def address_option(self) -> str:
        """The option that names the socket in a command, with a leading space; "" for the default socket."""
        return "" if self.address == default_address() else f" -a {shlex.quote(self.address)}"

    def diagnosed(
        self, host_pid: int | None, *, seconds: float, whole: bool = False, only: str = ""
    ) -> Iterator[tuple[str, list[Finding]]]:
        """Yield the URI of each plugin of a valid configuration, and its findings about itself.

        Args:
            host_pid: The process of the running host; None if none runs.
            seconds: The deadline of each plugin, in seconds.
            whole: Whether to examine all of its data too.
            only: URI of the only snapshotter to include; "" for all.
        """
        if self.prepared is None:
            return
        config = self.prepared.config.host
        for one in self.prepared.plan.order:
            if one.type == PluginType.SNAPSHOTTER and only not in {"", one.uri}:
                continue
            found = diagnose(
                one,
                config=self.prepared.configs.get(one.uri),
                root=Path(config.root),
                state=Path(config.state),
                host_pid=host_pid,
                exports=self.exports.get(one.uri, {}),
                seconds=seconds,
                whole=whole,
            )
            yield one.uri, found

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """The records of plugins that cannot be loaded."""
        return self.prepared.plan.failed if self.prepared else ()

    @property
    def problems(self) -> tuple[str, ...]:
        """The problems of the configuration, one sentence each."""
        if self.error is None:
            return ()
        return tuple(str(self.error).split("\n")) if isinstance(self.error, ConfigError) else (str(self.error),)

    def places(self, operation: str) -> Places:
        """Return the places of the host's metastore and data.

        Raises:
            ConfigError: The configuration is invalid.
            Unavailable: No host answers at the address given, and its directories are unknown.
        """
        if self.error is not None:
            raise self.error
        if self.prepared is None:
            raise Unavailable(f"{operation}: there is no configuration")
        if not self.is_known:
            raise Unavailable(
                f"{operation}: no host answers at {self.address}, and the directories of a host with that address "
                "are unknown: give its configuration (-c FILE) or its directories (--root DIR --state DIR)"
            )
        root = self.prepared.config.host.root
        return Places(root, self._metastore(self.prepared, root), dict(self._data_roots(self.prepared, root)))

    def _metastore(self, prepared: Prepared, root: str) -> str:
        uris = [one.uri for one in prepared.plan.registry if one.type == PluginType.METASTORE]
        uri = uris[0] if uris else f"{PluginType.METASTORE}.lmdb"
        return self.exports.get(uri, {}).get("path") or f"{root}/{uri}"

    def _data_roots(self, prepared: Prepared, root: str) -> Iterator[tuple[str, str]]:
        """Yield the data root of each snapshotter, including those that do not use it."""
        for one in prepared.plan.registry:
            if one.type == PluginType.SNAPSHOTTER:
                exported = self.exports.get(one.uri, {}).get("root")
                configured = getattr(prepared.configs.get(one.uri), "root_path", "")
                yield one.id, exported or (os.path.abspath(configured) if configured else f"{root}/{one.uri}")


def _named_by_environment() -> bool:
    return any(os.environ.get(name) for name in ("LAMINA_ROOT", "LAMINA_STATE"))


def _options(root: str | None, state: str | None, address: str | None, modules: Sequence[str]) -> str:
    named = {"--root": root, "--state": state, "-a": address}
    given = [*named.items(), *(("-p", module) for module in modules)]
    return "".join(f" {option} {shlex.quote(value)}" for option, value in given if value is not None)
