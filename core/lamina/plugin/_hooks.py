"""The hooks that plugin modules implement, carried by pluggy."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterable
from typing import Any, Final

import pluggy

from lamina.errdefs import is_interrupt, message
from lamina.plugin._contract import Contract
from lamina.plugin._plugins import Plugin, PluginSet
from lamina.plugin._proxy import ProxyType
from lamina.plugin._registration import Registration

_log = logging.getLogger(__name__)

_IMPLEMENTATION: Final = "lamina_impl"
_SPECIFICATION: Final = "lamina_spec"
"""The attributes in which pluggy's markers keep their options: `HookimplMarker`, `HookspecMarker`."""

hookspec = pluggy.HookspecMarker("lamina")
"""Decorator that marks the specification of a hook."""
hookimpl = pluggy.HookimplMarker("lamina")
"""Decorator that marks a function of a plugin module as the implementation of the hook of that name."""


@hookspec
def lamina_register() -> Iterable[Registration[Any]]:  # type: ignore[empty-body]  # a specification has none
    """Return the plugins of this module; may be a generator. Every plugin module implements this hook."""


@hookspec
def lamina_contracts() -> Iterable[Contract]:  # type: ignore[empty-body]  # a specification has none
    """Return the contracts of the plugin types that this module defines; may be a generator."""


@hookspec
def lamina_proxy_types() -> Iterable[ProxyType[Any]]:  # type: ignore[empty-body]  # a specification has none
    """Return the types of plugins that this module creates from `[proxy_plugins]`; may be a generator."""


@hookspec
def lamina_initialised(plugin: Plugin, plugins: PluginSet) -> None:
    """Called when a plugin was initialised and works; `plugins` contains it.

    After a retry, plugins that require this one may have been initialised before it. This hook notifies them.
    """


@hookspec
def lamina_skipped(plugin: Plugin) -> None:
    """Called when a plugin raised `SkipPlugin`."""


@hookspec
def lamina_failed(plugin: Plugin) -> None:
    """Called when a plugin failed or was blocked; see `plugin.status`."""


@hookspec
def lamina_host_ready(plugins: PluginSet) -> None:
    """Called when the host is ready."""


@hookspec
def lamina_host_stopping(plugins: PluginSet) -> None:
    """Called when the host stops, before the first plugin is closed."""


class _Manager(pluggy.PluginManager):
    """Examines what is marked in modules. pluggy alone would examine every name, and the classes of its type."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        return super().parse_hookimpl_opts(plugin, name) if _may_be_marked(plugin, name, _IMPLEMENTATION) else None

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> pluggy.HookspecOpts | None:
        marked = _may_be_marked(module_or_class, name, _SPECIFICATION)
        return super().parse_hookspec_opts(module_or_class, name) if marked else None


def _may_be_marked(namespace: object, name: str, mark: str) -> bool:
    """Return False for an attribute of a module that certainly is not a hook."""
    if not isinstance(namespace, types.ModuleType):
        return True
    found = vars(namespace).get(name)
    if isinstance(found, types.FunctionType):
        return hasattr(found, mark)
    return isinstance(found, types.MethodType | staticmethod | classmethod)


def new_manager() -> pluggy.PluginManager:
    """Return a pluggy manager with these hooks and no plugins."""
    manager = _Manager("lamina")
    manager.add_hookspecs(sys.modules[__name__])
    return manager


def notify(manager: pluggy.PluginManager, hook_name: str, **arguments: object) -> None:
    """Call the implementations of a hook in the order of discovery, `tryfirst` ones first and `trylast` ones last.

    Exceptions, except Ctrl-C, are logged with the distribution and do not keep other implementations from being
    called.

    Args:
        manager: `Discovery.manager`.
        hook_name: The name of the hook, such as `lamina_initialised`.
        arguments: The arguments in the hook's specification.
    """
    implementations: list[pluggy.HookImpl] = getattr(manager.hook, hook_name).get_hookimpls()
    # pluggy stops at the first exception, and calls the implementation registered last first.
    for implementation in sorted(implementations, key=lambda one: one.trylast - one.tryfirst):
        wanted = [arguments[name] for name in implementation.argnames]
        try:
            implementation.function(*wanted)
        except BaseException as error:
            if is_interrupt(error):
                raise
            distribution = implementation.plugin_name.partition(":")[0]
            fields = {"hook": hook_name, "distribution": distribution, "error": message(error)}
            _log.error("plugin hook failed", extra=fields, exc_info=error)
