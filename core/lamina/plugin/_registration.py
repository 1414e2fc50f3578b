"""`Registration`: the declaration of one plugin by its package."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic

import attrs

from lamina.errdefs import InvalidRegistration
from lamina.plugin._plugins import Plugin
from lamina.plugin._types import EVERY_TYPE
from lamina.plugin.lifecycle._context import C, InitContext

if TYPE_CHECKING:
    from lamina.plugin.findings._finding import DiagnoseContext, Finding


_MAX_URI: Final = 255
"""Bytes in the name of a directory (`NAME_MAX`)."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Registration(Generic[C]):
    """The declaration of one plugin. `Registry.register` checks it."""

    type: str
    """The plugin type: a member of `PluginType`, or any other string such as `com.example.clock.v1`."""
    id: str
    """Unique within the type."""
    requires: tuple[str, ...] = ()
    """Types whose plugins are initialised before this one; at least one plugin of each type must work. `("*",)`:
    all other plugins, which need not work."""
    config: builtins.type[C] | None = None
    """The attrs class of the plugin's configuration table. None: the plugin has no configuration."""
    live: tuple[str, ...] = ()
    """Fields of `config` that can change while the plugin runs. The instance then has a method
    `reconfigure(config)`.

    A host calls it when a reload changes one of these fields, one call at a time, while other threads use the
    instance. The argument is the current configuration with new values of these fields. If the method raises, the
    instance must keep working with its old configuration.
    """
    references: Mapping[str, str] = attrs.field(factory=dict)
    """Fields of `config` that name other plugins, and the type of those plugins. A field's value is the id of a
    plugin, "" for none, or a table whose values are ids.

    Where a file names a plugin that no package provides, a host logs a warning and `lamina config check` fails.
    """
    listen: Callable[[C, Mapping[str, str]], object] | None = None
    """Opens the address of a plugin of type SERVER, given its configuration and properties (`InitContext`).

    A host calls it before it initialises the first plugin, so that clients wait instead of being refused. The
    result is passed as `InitContext.listening`, and belongs to the instance if init succeeds; otherwise the host
    calls its `close()`.
    """
    init: Callable[[InitContext[C]], object]
    """Returns the plugin's instance. Raises `SkipPlugin` if the plugin does not apply here.

    A host calls it in a thread that it shares with other plugins and that ends with the start of the host, and
    thread-bound resources with it, such as the parent-death signal of prctl(2). After a temporary error it is
    called again (`Plugin.retrying`), so it must close what it opened before it raises.
    """
    migrate: Callable[[int, dict[str, dict[str, Any]]], object] | None = None
    """Migrates the plugin's tables of an older configuration file by one format version.

    Called once for each version below the newest, with that version and the whole `[plugins]` table of the file,
    which it changes in place. It does nothing if there is nothing to migrate.
    """
    diagnose: Callable[[DiagnoseContext[C]], Iterable[Finding]] | None = None
    """Returns the findings of this plugin for `lamina diagnose`; may be a generator. Called in the process of that
    command, by any user, with or without a running host."""
    examine: Callable[[DiagnoseContext[C]], Iterable[Finding]] | None = None
    """Returns findings about the integrity of the plugin's data for `lamina doctor`, which may have a `Repair`.
    Called like `diagnose`."""
    late_binding: bool = False
    """True to call init even if no plugin of a required type works yet, but one is being retried.

    Look-ups raise `PluginUnavailable` then, so the instance performs them when it needs the other plugin.
    """
    distribution: str = ""
    """The distribution that registered it. Set by `discover`."""
    module: str = ""
    """The module that registered it. Set by `discover`."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`: the plugin's name in the configuration, in logs and as a directory."""
        return f"{self.type}.{self.id}"

    def record(self, **fields: Any) -> Plugin:
        """Return a record of the plugin, with these other fields of `Plugin`."""
        return Plugin(type=self.type, id=self.id, requires=self.requires, distribution=self.distribution, **fields)

    def has_name(self) -> bool:
        """Return whether type and id can name a record, even if the registration is invalid otherwise."""
        return _is_name(self.type) and _is_name(self.id) and len(self.uri.encode()) <= _MAX_URI

    def check(self) -> None:
        """Check the fields.

        Raises:
            InvalidRegistration: A field has the wrong type, or violates a rule.
        """
        if problem := _wrong_field(self) or _broken_rule(self):
            raise InvalidRegistration(f"{self.uri}: {problem}")


def _wrong_field(registration: Registration[Any]) -> str:
    """Return what is wrong with the type of a field, or "". Python does not enforce type hints."""
    fields: tuple[tuple[str, bool, str], ...] = (
        ("type", is_text(registration.type), "a UTF-8 string"),
        ("id", is_text(registration.id), "a UTF-8 string"),
        ("requires", is_tuple_of_strings(registration.requires), "a tuple of UTF-8 strings"),
        ("config", registration.config is None or _is_attrs_class(registration.config), "an attrs class or None"),
        ("live", is_tuple_of_strings(registration.live), "a tuple of UTF-8 strings"),
        ("references", is_dict_of_strings(registration.references), "a dict of UTF-8 strings"),
        ("listen", registration.listen is None or callable(registration.listen), "a function or None"),
        ("init", callable(registration.init), "a function"),
        ("migrate", registration.migrate is None or callable(registration.migrate), "a function or None"),
        ("diagnose", registration.diagnose is None or callable(registration.diagnose), "a function or None"),
        ("late_binding", isinstance(registration.late_binding, bool), "a bool"),
        ("examine", registration.examine is None or callable(registration.examine), "a function or None"),
    )
    for name, right, expected in fields:
        if not right:
            return f"plugin: {name} must be {expected}, not {getattr(registration, name)!r}"
    return ""


def _is_name(value: object) -> bool:
    return is_text(value) and value != ""


def is_text(value: object) -> bool:
    """Return whether a value is a string that can be encoded as UTF-8, without lone surrogates."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def is_dict_of_strings(value: object) -> bool:
    """Return whether a value is a dict of strings that can be encoded as UTF-8."""
    return isinstance(value, dict) and all(map(is_text, (*value, *value.values())))


def is_tuple_of_strings(value: object) -> bool:
    """Return whether a value is a tuple of strings that can be encoded as UTF-8."""
    return isinstance(value, tuple) and all(map(is_text, value))


def _broken_rule(registration: Registration[Any]) -> str:
    """Return the rule that a registration violates, or "". The first four are containerd's, in its order."""
    requires = registration.requires
    fields = () if registration.config is None else attrs.fields(registration.config)
    settings = {field.name for field in fields if field.init}
    live = next((name for name in registration.live if name not in settings), None)
    reference = next((name for name in registration.references if name not in settings), None)
    rules = (
        (not registration.type, "plugin: no type"),
        (not registration.id, "plugin: no id"),
        (registration.type in requires, "invalid requires: a plugin cannot require its own type"),
        (EVERY_TYPE in requires and len(requires) > 1, f"invalid requires: {EVERY_TYPE!r} stands alone"),
        (registration.type == EVERY_TYPE, f"plugin: {EVERY_TYPE!r} is not a type"),
        (
            "/" in registration.uri or "\0" in registration.uri,
            "plugin: type and id name a directory: no '/' and no NUL",
        ),
        (
            len(registration.uri.encode()) > _MAX_URI,
            f"plugin: type and id name a directory: at most {_MAX_URI} bytes",
        ),
        (live is not None, f"plugin: live names {live!r}, which is not a field of its config"),
        (reference is not None, f"plugin: references names {reference!r}, which is not a field of its config"),
    )
    return next((text for broken, text in rules if broken), "")


def _is_attrs_class(config: object) -> bool:
    return isinstance(config, type) and attrs.has(config)
