"""The settings of an image's processes, changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from lamina.errdefs import InvalidArgument
from lamina.images._config_changes import ConfigChanges
from lamina.images.documents import Fields

T = TypeVar("T")


def changed_settings(settings: Fields, changes: ConfigChanges) -> dict[str, object]:
    """Return the member `config` of a configuration with changes. Members that lamina does not know are kept.

    Raises:
        InvalidArgument: A member to change is malformed, or spelled in another case, as programs in Go accept it.
    """
    new = dict(_changed(settings, changes))
    folded = {name.casefold() for name in new}
    for name in settings.members:
        if name not in new and name.casefold() in folded:
            raise InvalidArgument(f"{settings.where}: it has {name!r}, which programs read in different ways")
    return {name: value for name, value in {**settings.members, **new}.items() if value or name not in new}


def _changed(settings: Fields, changes: ConfigChanges) -> Iterable[tuple[str, object]]:
    """Yield the members that change, empty ones to be removed."""
    if changes.entrypoint is not None:
        yield "Entrypoint", [*changes.entrypoint]
    if changes.cmd is not None or changes.entrypoint is not None:
        yield "Cmd", [*(changes.cmd or ())]
    if changes.env or changes.unset_env:
        yield "Env", _environment(settings.texts("Env"), changes.env, changes.unset_env)
    if changes.labels or changes.unset_labels:
        labels = _without(settings.text_map("Labels"), changes.unset_labels) | dict(changes.labels)
        yield "Labels", dict(sorted(labels.items()))
    for name, text in (
        ("User", changes.user),
        ("WorkingDir", changes.working_dir),
        ("StopSignal", changes.stop_signal),
    ):
        if text is not None:
            yield name, text
    for name, added, removed in (
        ("ExposedPorts", map(_port, changes.exposed_ports), [_port(one) for one in changes.unset_exposed_ports]),
        ("Volumes", changes.volumes, changes.unset_volumes),
    ):
        present = settings.optional(name, dict) or {}
        new = _without(present, removed) | {one: {} for one in added}
        if new != present:
            yield name, dict(sorted(new.items()))


def _environment(present: Iterable[str], new: Mapping[str, str], removed: Iterable[str]) -> list[str]:
    """Return an environment in its order. A variable that is there twice has its last value."""
    variables = {name: value for name, _, value in (entry.partition("=") for entry in present)}
    return [f"{name}={value}" for name, value in (_without(variables, removed) | dict(new)).items()]


def _without(members: Mapping[str, T], removed: Iterable[str]) -> dict[str, T]:
    gone = frozenset(removed)
    return {name: value for name, value in members.items() if name not in gone}


def _port(port: str) -> str:
    """Return a port with its protocol, as Docker writes it."""
    return port if "/" in port else f"{port}/tcp"
