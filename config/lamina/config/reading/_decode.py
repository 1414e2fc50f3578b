"""Decode tables into attrs classes, strictly: no value is converted to fit."""

from __future__ import annotations

import collections.abc
import enum
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import attrs

from lamina.config._problems import KeyPath, Problem, described, quoted
from lamina.duration import Duration
from lamina.errdefs import Error, describe, is_interrupt, nearest

T = typing.TypeVar("T")

_EXPECTED: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    Duration: 'a duration such as "1m30s"',
}

_PATH: Final = "a path"
"""The description of a value for a class of `pathlib`, which is slow to import and not imported for it."""

_ARRAYS: Final[Mapping[Any, Callable[[list[Any]], Any]]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
}
_MAPPINGS: Final = (dict, collections.abc.Mapping, collections.abc.MutableMapping)

_WRONG: Final[Any] = object()
"""Stands for a value whose problems have been reported."""


class Mismatch(ValueError):
    """The value has another type than expected."""

    def __init__(self, expected: str, value: object) -> None:
        self.expected = expected
        self.found = described(value)
        super().__init__(f"expected {expected}, found {self.found}")


class Report(Protocol):
    """Makes the problem of a path. The implementation knows which document set the value."""

    def __call__(
        self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None
    ) -> Problem: ...


def decode(schema: type[T], table: Mapping[str, Any], path: KeyPath, report: Report) -> T | list[Problem]:
    """Decode a table into an instance of an attrs class.

    Args:
        schema: The class. The type of a field is bool, int, float (which also accepts a whole number), str,
            `Duration`, `Path`, an enum (given by value), a `Literal`, `Any`, another attrs class, a list, tuple,
            set or dict of these, or any of them `| None`. Unknown keys and exceptions of validators are problems.
        table: The table.
        path: The path of the table.
        report: Makes a problem.

    Returns:
        The instance, or all problems of the table.
    """
    decoder = _Decoder(report)
    instance = decoder.decode(schema, table, path)
    return decoder.problems if instance is _WRONG else instance


class _Decoder:
    """Decodes the values of one table and collects their problems."""

    def __init__(self, report: Report) -> None:
        self.problems: list[Problem] = []
        self._report = report

    def decode(self, kind: Any, value: object, path: KeyPath) -> Any:
        """Decode a value.

        Returns:
            The decoded value, or `_WRONG`.
        """
        try:
            return self._decode(kind, value, path)
        except Mismatch as error:
            self._add(path, error.found, expected=error.expected)
        except BaseException as error:
            if is_interrupt(error):
                raise
            self._add(path, _reason(error))
        return _WRONG

    def _add(self, path: KeyPath, found: str, expected: str | None = None, nearest: str | None = None) -> None:
        self.problems.append(self._report(path, found, expected, nearest))

    def _decode(self, kind: Any, value: Any, path: KeyPath) -> Any:
        kind = getattr(kind, "__supertype__", kind)  # the type behind a NewType
        origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
        if origin in {typing.Union, types.UnionType}:
            return self._optional(kind, value, path)
        if origin in _ARRAYS:
            return self._array(origin, arguments, value, path)
        if origin in _MAPPINGS:
            return self._mapping(arguments or (Any, Any), value, path)
        if attrs.has(origin):
            return self._instance(origin, value, path)
        return _scalar(origin, arguments, value)

    def _optional(self, kind: Any, value: object, path: KeyPath) -> Any:
        others = [choice for choice in typing.get_args(kind) if choice is not types.NoneType]
        if len(others) > 1:
            raise TypeError(f"no value can be decoded into {kind}")
        return None if value is None else self._decode(others[0], value, path)

    def _array(self, origin: Any, arguments: tuple[Any, ...], value: object, path: KeyPath) -> Any:
        if not isinstance(value, list):
            raise Mismatch("an array", value)
        kinds = [arguments[0] if arguments else Any] * len(value)
        if origin is tuple and len(arguments) > 1 and arguments[1] is not ...:
            kinds = list(arguments)
        if len(kinds) != len(value):
            raise Mismatch(f"an array of {len(kinds)}", value)
        pairs = enumerate(zip(kinds, value, strict=True))
        elements = [self.decode(kind, element, (*path, index)) for index, (kind, element) in pairs]
        return _WRONG if any(element is _WRONG for element in elements) else _ARRAYS[origin](elements)

    def _mapping(self, kinds: tuple[Any, ...], value: object, path: KeyPath) -> Any:
        if not isinstance(value, dict):
            raise Mismatch("a table", value)
        decoded = {
            self.decode(kinds[0], key, (*path, key)): self.decode(kinds[1], each, (*path, key))
            for key, each in value.items()
        }
        return _WRONG if any(_WRONG is each for item in decoded.items() for each in item) else decoded

    def _instance(self, cls: Any, table: object, path: KeyPath) -> Any:
        if not isinstance(table, dict):
            raise Mismatch("a table", table)
        fields = {field.name: field for field in attrs.fields(attrs.resolve_types(cls)) if field.init}
        values = {
            name: self.decode(field.type, table[name], (*path, name))
            for name, field in fields.items()
            if name in table
        }
        for name, field in fields.items():
            if name not in table and field.default is attrs.NOTHING:
                values[name] = _WRONG
                self._add((*path, name), "nothing", expected=_expected(field.type))
        unknown = sorted(table.keys() - fields)
        objection = None
        if not unknown and not any(value is _WRONG for value in values.values()):
            try:
                return cls(**{fields[name].alias: value for name, value in values.items()})
            except BaseException as error:
                if is_interrupt(error):
                    raise
                objection = error
        objections = list(_objections(cls, values))
        for name, each in objections:
            self._add((*path, name), _reason(each))
        for name in unknown:
            self._add((*path, name), "unknown key", nearest=nearest(name, fields))
        if objection is not None and not objections:
            self._add(path, _reason(objection))
        return _WRONG


def _expected(kind: Any) -> str:
    """Return a description of the values of a field's type."""
    is_path = isinstance(kind, type) and issubclass(kind, os.PathLike)
    return _PATH if is_path else _EXPECTED.get(kind, "a value")


def _scalar(kind: Any, choices: tuple[Any, ...], value: Any) -> Any:
    if kind is Any or kind is None:  # None: a field without a type
        return value
    if kind is typing.Literal:
        return _one_of(choices, value)
    if not isinstance(kind, type):
        raise TypeError(f"no value can be decoded into {kind}")
    if issubclass(kind, enum.Enum):
        return kind(_one_of([member.value for member in kind], value))
    if issubclass(kind, Duration):
        if not isinstance(value, str):
            raise Mismatch(_EXPECTED[Duration], value)
        return kind.parse(value)
    if issubclass(kind, os.PathLike):
        # Path("") is the current directory, which is never intended.
        if not isinstance(value, str) or not value or "\0" in value:
            raise Mismatch(_PATH, value)
        return kind(value)  # type: ignore[call-arg] # as the classes of pathlib are called
    for base in (bool, int, float, str):
        if issubclass(kind, base):
            if type(value) is base or (base is float and type(value) is int):
                return kind(value)
            raise Mismatch(_EXPECTED[base], value)
    raise TypeError(f"no value can be decoded into {kind}")


def _one_of(choices: collections.abc.Sequence[Any], value: object) -> Any:
    """Return the value if it is one of the choices, including its type: 1 is not true."""
    if any(type(choice) is type(value) and choice == value for choice in choices):
        return value
    shown = ", ".join(quoted(choice) if isinstance(choice, str) else described(choice) for choice in choices)
    raise Mismatch(f"one of {shown}", value)


def _objections(cls: Any, values: Mapping[str, Any]) -> Iterator[tuple[str, BaseException]]:
    """Run converters, defaults and validators field by field, and yield their objections.

    attrs stops at the first objection and does not name the field. So each one runs again here, on an unvalidated
    instance without the fields whose values are `_WRONG`.

    Args:
        cls: The class.
        values: The decoded values by field.
    """
    instance = cls.__new__(cls)
    wrong = {name for name, value in values.items() if value is _WRONG}
    for field in attrs.fields(cls):
        try:
            if field.name not in wrong:
                object.__setattr__(instance, field.name, _value(field, instance, values))
        except BaseException as error:
            if is_interrupt(error):
                raise
            wrong.add(field.name)
            yield field.name, error
    for field in attrs.fields(cls):
        if field.validator is None or field.name in wrong:
            continue
        try:
            field.validator(instance, field, getattr(instance, field.name))
        except BaseException as error:
            if is_interrupt(error):
                raise
            if not (wrong and isinstance(error, AttributeError)):  # then it accessed a field that is wrong itself
                yield field.name, error


def _value(field: Any, instance: object, values: Mapping[str, Any]) -> Any:
    """Return the value that attrs would assign to a field."""
    if field.name in values:
        value = values[field.name]
    elif isinstance(field.default, attrs.Factory):  # type: ignore[arg-type] # a class, typed as a function
        value = field.default.factory(*([instance] if field.default.takes_self else []))
    else:
        value = field.default
    if isinstance(field.converter, attrs.Converter):
        return field.converter(value, instance, field)  # type: ignore[operator] # made callable at run time
    return value if field.converter is None else field.converter(value)


def _reason(error: BaseException) -> str:
    """Return an exception's message. attrs's own validators append the field and the value."""
    if isinstance(error, Error | ValueError | TypeError) and error.args and isinstance(error.args[0], str):
        return error.args[0]
    return describe(error)
