"""What a package says about one of its plugins."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic

import attrs

from lamina.errdefs import InvalidRegistration
from lamina.plugin._context import C, InitContext
from lamina.plugin._types import EVERY_TYPE

if TYPE_CHECKING:
    from lamina.plugin._finding import DiagnoseContext, Finding


@attrs.frozen(kw_only=True)
class Registration(Generic[C]):
    """One plugin, before it is initialised. `Registry.register` checks it."""

    type: str
    """The plugin type: a member of `PluginType`, or any other string such as `com.example.clock.v1`."""
    id: str
    """Unique within the type."""
    requires: tuple[str, ...] = ()
    """Types whose plugins are all initialised before this one, at least one of each successfully. `("*",)`:
    every other plugin, whatever becomes of it."""
    config: builtins.type[C] | None = None
    """An attrs class, whose defaults are the plugin's. None: the plugin has no configuration."""
    live: tuple[str, ...] = ()
    """Fields of `config` that can change while the plugin runs. Its instance then has `reconfigure(config)`.

    A host calls that when a reload has changed one of them, one call at a time, while other threads use the
    instance. It is given what is to hold: the configuration that it has, with these fields as they are now. If it
    raises, the instance must go on unchanged.
    """
    references: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    """Fields of `config` that name other plugins, and the type of those plugins. A field's value is the id of a
    plugin, or a table whose values are ids.

    Where a file names a plugin that no package provides, a host logs a warning and `lamina config check` fails.
    """
    listen: Callable[[C, Mapping[str, str]], object] | None = None
    """Opens the address of a plugin of type SERVER, given its configuration and its properties (`InitContext`).

    A host calls it before it initialises the first plugin, so that clients wait for the start instead of being
    refused. What it returns is `InitContext.listening`, and belongs to the instance when init has succeeded;
    otherwise the host calls its `close()`.
    """
    init: Callable[[InitContext[C]], object]
    """Returns the plugin's instance. Raises `SkipPlugin` where the plugin does not apply.

    A host calls it in a thread that ends with it: so does what belongs to a thread, such as the parent-death
    signal of prctl(2). It calls it again, later, if it fails for a cause that may go (`Plugin.retrying`): it must
    then have closed what it opened.
    """
    migrate: Callable[[int, dict[str, dict[str, Any]]], object] | None = None
    """Brings the plugin's tables in an older configuration file one format version further.

    Called with that version and the file's whole `[plugins]` table, which it changes in place, once for each
    version below the newest; where there is nothing old it does nothing.
    """
    diagnose: Callable[[DiagnoseContext[C]], Iterable[Finding]] | None = None
    """Says what `lamina diagnose` can tell of this plugin; a generator will do. It is called in the process of
    that command, which may be any user's, with a host running or without."""
    examine: Callable[[DiagnoseContext[C]], Iterable[Finding]] | None = None
    """Says what `lamina doctor` can tell of what this plugin keeps: whether it is whole. As `diagnose` otherwise;
    its findings may have a `Repair`."""
    late_binding: bool = False
    """Whether init is called, too, while nothing of a required type works and something is tried again.

    Its look-ups raise `PluginUnavailable` then: the instance makes them when it needs what they return.
    """
    distribution: str = ""
    """Who registered it. Filled in by `discover`."""
    module: str = ""
    """The module that registered it. Filled in by `discover`."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`: the plugin's name in the configuration, in logs and as a directory."""
        return f"{self.type}.{self.id}"

    def has_name(self) -> bool:
        """Whether type and id can name a record, whatever else is wrong."""
        return _is_name(self.type) and _is_name(self.id)

    def check(self) -> None:
        """Check everything that can be seen without other registrations.

        Raises:
            InvalidRegistration: A field is of the wrong type, or breaks a rule.
        """
        if problem := _wrong_field(self) or _broken_rule(self):
            raise InvalidRegistration(f"{self.uri}: {problem}")


def _wrong_field(registration: Registration[Any]) -> str:
    """What is wrong with the type of a field, or "". Type hints bind nobody at run time."""
    fields: tuple[tuple[str, bool, str], ...] = (
        ("type", is_text(registration.type), "a UTF-8 string"),
        ("id", is_text(registration.id), "a UTF-8 string"),
        ("requires", is_tuple_of_strings(registration.requires), "a tuple of UTF-8 strings"),
        ("config", isinstance(registration.config, type | None), "a class or None"),
        ("live", is_tuple_of_strings(registration.live), "a tuple of UTF-8 strings"),
        ("references", _is_dict_of_strings(registration.references), "a dict of UTF-8 strings"),
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
    """Whether a value is a string that can be sent: one with lone surrogates is not UTF-8."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False


def _is_dict_of_strings(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, (*value, *value.values())))


def is_tuple_of_strings(value: object) -> bool:
    """Return whether a value is a tuple of strings that can be sent."""
    return isinstance(value, tuple) and all(map(is_text, value))


def _broken_rule(registration: Registration[Any]) -> str:
    """The rule that a registration breaks, or "". The first four are containerd's, in its order."""
    requires = registration.requires
    settings = {field.name for field in _fields(registration.config) if field.init}
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
        (live is not None, f"plugin: live names {live!r}, which is no field of its config"),
        (reference is not None, f"plugin: references names {reference!r}, which is no field of its config"),
    )
    return next((text for broken, text in rules if broken), "")


def _fields(config: builtins.type[Any] | None) -> tuple[attrs.Attribute[Any], ...]:
    """The fields of an attrs class; of anything else, none."""
    return attrs.fields(config) if config is not None and attrs.has(config) else ()
