"""Tables decoded into attrs classes, strictly: no value is ever turned into another to fit.

cattrs does the walking. Left alone it calls the type, and `bool("false")` is true: each kind of value gets a
hook of ours. Importing cattrs takes 30 ms, so this module is imported only where something is decoded.
"""

from __future__ import annotations

import collections.abc
import enum
import functools
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from cattrs import (
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.cols import is_mapping, list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

from lamina.config._duration import Duration
from lamina.config._problems import KeyPath, Problem, described, quoted
from lamina.errdefs import Error, nearest

T = typing.TypeVar("T")
Hook = Callable[[Any, Any], Any]

_EXPECTED: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Path: "a path",
    Duration: 'a duration such as "1m30s"',
}

_ARRAYS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
}


class Mismatch(ValueError):
    """A value is not what its place asks for."""

    def __init__(self, expected: str, value: object) -> None:
        self.expected = expected
        self.found = described(value)
        super().__init__(f"expected {expected}, found {self.found}")


class Report(Protocol):
    """Makes the problem of a path. Who implements it knows which document set what is there."""

    def __call__(
        self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None
    ) -> Problem: ...


def decode(schema: type[T], table: Mapping[str, Any], path: KeyPath, report: Report) -> T | list[Problem]:
    """An instance of an attrs class made from a table; or everything that is wrong with the table.

    Args:
        schema: The class. The type of a field is bool, int, float (which also takes a whole number), str,
            `Duration`, `Path`, an enum (given by value), a `Literal`, `Any`, another attrs class, a list,
            tuple, set or dict of these, or any of them `| None`. A key that is no field is a problem, and so
            is whatever a validator raises.
        table: The table.
        path: Where the table is.
        report: Makes a problem.
    """
    try:
        return _converter().structure(table, schema)
    except Exception as error:  # noqa: BLE001 # whatever a plugin's class raises is a problem of its table
        return list(_problems(error, table, path, report))


@functools.cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, functools.partial(_scalar, base=kind))
    converter.register_structure_hook(Duration, _duration)
    converter.register_structure_hook(Path, _path)
    converter.register_structure_hook(enum.Enum, _enum)
    converter.register_structure_hook_func(lambda kind: _origin(kind) is typing.Literal, _literal)
    converter.register_structure_hook_factory(is_mapping, _mapping_hook)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) in _ARRAYS, _array_hook)
    converter.register_structure_hook_factory(lambda kind: attrs.has(_origin(kind)), _attrs_hook)
    return converter


def _origin(kind: Any) -> Any:
    return typing.get_origin(kind) or kind


def _scalar(value: object, kind: Any, base: type) -> Any:
    if issubclass(kind, enum.Enum):
        return _enum(value, kind)
    if type(value) is base or (base is float and type(value) is int):
        return kind(value)
    raise Mismatch(_EXPECTED[base], value)


def _duration(value: object, kind: type[Duration]) -> Duration:
    if not isinstance(value, str):
        raise Mismatch(_EXPECTED[Duration], value)
    return kind.parse(value)


def _path(value: object, kind: type[Path]) -> Path:
    # Path("") is the current directory, which nobody means by "".
    if not isinstance(value, str) or not value or "\0" in value:
        raise Mismatch(_EXPECTED[Path], value)
    return kind(value)


def _enum(value: object, kind: type[enum.Enum]) -> enum.Enum:
    return kind(_one_of([member.value for member in kind], value))


def _literal(value: object, kind: Any) -> Any:
    return _one_of(typing.get_args(kind), value)


def _one_of(choices: collections.abc.Sequence[Any], value: object) -> Any:
    """`value` where it is among the choices, type and all: 1 is not true."""
    if any(type(choice) is type(value) and choice == value for choice in choices):
        return value
    shown = ", ".join(quoted(choice) if isinstance(choice, str) else described(choice) for choice in choices)
    raise Mismatch(f"one of {shown}", value)


def _mapping_hook(kind: Any, converter: Converter) -> Hook:
    return _after_check(dict, "a table", mapping_structure_factory(kind, converter))


def _array_hook(kind: Any, converter: Converter) -> Hook:
    make, arguments = _ARRAYS[_origin(kind)], typing.get_args(kind)
    if make is tuple and len(arguments) > 1 and arguments[1] is not ...:
        return _after_check(list, "an array", _fixed_tuple_hook(arguments, converter))
    element: Any = arguments[0] if arguments else Any
    elements = list_structure_factory(list[element], converter)
    return _after_check(list, "an array", lambda value, kind: make(elements(value, kind)))


def _fixed_tuple_hook(arguments: tuple[Any, ...], converter: Converter) -> Hook:
    hooks = [converter.get_structure_hook(argument) for argument in arguments]

    def structure(value: list[Any], kind: Any) -> tuple[Any, ...]:
        if len(value) != len(hooks):
            raise Mismatch(f"an array of {len(hooks)}", value)
        elements, errors = [], list[Exception]()
        for index, (hook, argument, element) in enumerate(zip(hooks, arguments, value, strict=True)):
            try:
                elements.append(hook(element, argument))
            except Exception as error:  # noqa: BLE001 # raised again below, all together
                error.add_note(IterableValidationNote("", index, argument))
                errors.append(error)
        if errors:
            raise IterableValidationError("", errors, kind)
        return tuple(elements)

    return structure


def _attrs_hook(kind: Any, converter: Converter) -> Hook:
    attrs.resolve_types(_origin(kind))
    return _after_check(dict, "a table", make_dict_structure_fn(kind, converter))


def _after_check(base: type, expected: str, hook: Hook) -> Hook:
    def checked(value: Any, kind: Any) -> Any:
        if not isinstance(value, base):
            raise Mismatch(expected, value)
        return hook(value, kind)

    return checked


def _problems(error: Exception, table: Any, path: KeyPath, report: Report) -> Iterator[Problem]:
    """What a tree of cattrs errors says, leaf by leaf."""
    if isinstance(error, ClassValidationError):
        yield from _class_problems(error, table, path, report)
    elif isinstance(error, IterableValidationError):
        for leaf, note in error.group_exceptions()[0]:
            yield from _problems(leaf, table[note.index], (*path, note.index), report)
    elif isinstance(error, Mismatch):
        yield report(path, error.found, expected=error.expected)
    else:
        yield report(path, _reason(error))


def _class_problems(error: ClassValidationError, table: Any, path: KeyPath, report: Report) -> Iterator[Problem]:
    cls = _origin(error.cl)
    of_fields, of_class = error.group_exceptions()
    for leaf, note in of_fields:
        if note.name in table:
            yield from _problems(leaf, table[note.name], (*path, note.name), report)
        else:
            yield report((*path, note.name), "nothing", expected=_EXPECTED.get(note.type, "a value"))
    objections = list(_objections(cls, table, {note.name for _, note in of_fields}))
    for name, objection in objections:
        yield report((*path, name), _reason(objection))
    for leaf in of_class:
        if isinstance(leaf, ForbiddenExtraKeysError):
            known = [field.name for field in attrs.fields(cls) if field.init]
            for name in sorted(leaf.extra_fields):
                yield report((*path, name), "unknown key", nearest=nearest(name, known))
        elif not objections:
            yield report(path, _reason(leaf))


def _objections(cls: Any, table: Any, bad: set[str]) -> Iterator[tuple[str, Exception]]:
    """What converters, defaults and validators object to, field by field.

    attrs stops at the first objection and does not say whose it is. So each is asked again here, of an
    instance that was not validated, and that lacks the fields in `bad`.
    """
    instance = cls.__new__(cls)
    for field in attrs.fields(cls):
        try:
            if field.name not in bad:
                object.__setattr__(instance, field.name, _value(field, instance, table))
        except Exception as error:  # noqa: BLE001 # told, whatever it is
            bad = bad | {field.name}
            yield field.name, error
    for field in attrs.fields(cls):
        if field.validator is None or field.name in bad:
            continue
        try:
            field.validator(instance, field, getattr(instance, field.name))
        except Exception as error:  # noqa: BLE001 # told, whatever it is
            if not (bad and isinstance(error, AttributeError)):  # then it asked for a field that is bad itself
                yield field.name, error


def _value(field: Any, instance: object, table: Any) -> Any:
    """What attrs would set a field of an instance to."""
    if field.init and field.name in table:
        value = _converter().structure(table[field.name], field.type)
    elif isinstance(field.default, attrs.Factory):  # type: ignore[arg-type] # a class, typed as a function
        value = field.default.factory(*([instance] if field.default.takes_self else []))
    else:
        value = field.default
    if isinstance(field.converter, attrs.Converter):
        return field.converter(value, instance, field)  # type: ignore[operator] # made callable at run time
    return value if field.converter is None else field.converter(value)


def _reason(error: Exception) -> str:
    """An exception as a message. attrs's own validators put the field and the value behind the text."""
    if isinstance(error, Error | ValueError | TypeError) and error.args and isinstance(error.args[0], str):
        return error.args[0]
    return f"{type(error).__name__}: {error}"
