"""The hooks around a plugin's life, carried by pluggy."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterable
from typing import Any, Final

import pluggy

from lamina.errdefs import message
from lamina.plugin._contract import Contract
from lamina.plugin._plugins import Plugin, PluginSet
from lamina.plugin._proxy import ProxyType
from lamina.plugin._registration import Registration

_log = logging.getLogger(__name__)

hookspec = pluggy.HookspecMarker("lamina")
"""Marks the specification of a hook."""
hookimpl = pluggy.HookimplMarker("lamina")
"""Marks a function of a plugin module as the implementation of the hook of that name."""
_HOOKABLE: Final = (types.FunctionType, types.MethodType, staticmethod, classmethod)
"""What pluggy takes for a hook in a module, if it is marked."""


@hookspec
def lamina_register() -> Iterable[Registration[Any]]:  # type: ignore[empty-body]  # a specification has none
    """The plugins of this module. Every module has this hook; a generator will do."""


@hookspec
def lamina_contracts() -> Iterable[Contract]:  # type: ignore[empty-body]  # a specification has none
    """Return the contracts of the plugin types that this module defines; a generator will do."""


@hookspec
def lamina_proxy_types() -> Iterable[ProxyType[Any]]:  # type: ignore[empty-body]  # a specification has none
    """Return the types of plugins that this module creates from `[proxy_plugins]`; a generator will do."""


@hookspec
def lamina_initialised(plugin: Plugin, plugins: PluginSet) -> None:
    """A plugin was initialised and works. It is among the plugins, which are all once the host runs.

    One that was tried again may come after those that require it: they are told of it here.
    """


@hookspec
def lamina_skipped(plugin: Plugin) -> None:
    """A plugin does not apply here."""


@hookspec
def lamina_failed(plugin: Plugin) -> None:
    """A plugin failed, or is blocked by one that did; `plugin.status` tells which."""


@hookspec
def lamina_host_ready(plugins: PluginSet) -> None:
    """The host answers."""


@hookspec
def lamina_host_stopping(plugins: PluginSet) -> None:
    """The host is about to stop; nothing is closed yet."""


class _Manager(pluggy.PluginManager):
    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        # pluggy walks the classes of every name in a module, for the types of which there is no hook.
        if isinstance(plugin, types.ModuleType) and not isinstance(vars(plugin).get(name), _HOOKABLE):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def new_manager() -> pluggy.PluginManager:
    """A manager that knows these hooks and has no plugins."""
    manager = _Manager("lamina")
    manager.add_hookspecs(sys.modules[__name__])
    return manager


def notify(manager: pluggy.PluginManager, hook_name: str, **arguments: object) -> None:
    """Call every implementation of a hook, in the order of discovery.

    What one raises is logged with its distribution and keeps none of the others from being called;
    KeyboardInterrupt alone passes. Those marked `tryfirst` come before the others, `trylast` after.

    Args:
        manager: `Discovery.manager`.
        hook_name: Such as `lamina_initialised`.
        arguments: As in the hook's specification.
    """
    implementations: list[pluggy.HookImpl] = getattr(manager.hook, hook_name).get_hookimpls()
    # pluggy itself would stop at the first exception, and calls the last registered first.
    for implementation in sorted(implementations, key=lambda one: one.trylast - one.tryfirst):
        wanted = [arguments[name] for name in implementation.argnames]
        try:
            implementation.function(*wanted)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a hook may raise what it likes, SystemExit too
            distribution = implementation.plugin_name.partition(":")[0]
            fields = {"hook": hook_name, "distribution": distribution, "error": message(error)}
            _log.error("plugin hook failed", extra=fields, exc_info=error)
