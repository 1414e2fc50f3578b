"""The members of JSON objects, read with the types that they must have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Self, TypeVar

import attrs

from lamina.content import Descriptor, check_digest
from lamina.errdefs import InvalidArgument

_T = TypeVar("_T")
_NAMES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    type(None): "null",
}
_LARGEST: Final = (1 << 63) - 1
"""The largest size (OCI image spec: int64)."""


@attrs.frozen(eq=False, repr=False)
class Fields:
    """A JSON object. Methods raise InvalidArgument with the place of a member that is missing or has another type.

    A member that is null counts as missing, since Go's encoder writes empty lists and maps so.
    """

    members: Mapping[str, object]
    where: str
    """The document and the place in it, for messages."""

    @classmethod
    def of(cls, value: object, where: str) -> Self:
        """Return the members of an object."""
        return cls(_typed(value, dict, where), where)

    def optional(self, name: str, kind: type[_T]) -> _T | None:
        """Return a member of a type, or None if it is missing."""
        value = self.members.get(name)
        return None if value is None else _typed(value, kind, f"{self.where}: {name}")

    def required(self, name: str, kind: type[_T]) -> _T:
        """Return a member of a type."""
        value = self.optional(name, kind)
        if value is None:
            raise InvalidArgument(f"{self.where}: {name} is missing")
        return value

    def optional_text(self, name: str) -> str:
        """Return a string, or "" if it is missing."""
        return self.optional(name, str) or ""

    def text(self, name: str) -> str:
        """Return a string that is not empty."""
        value = self.required(name, str)
        if not value:
            raise InvalidArgument(f"{self.where}: {name} is empty")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, empty if it is missing."""
        values = self.optional(name, list) or []
        return tuple(_typed(value, str, f"{self.where}: {name}[{number}]") for number, value in enumerate(values))

    def text_map(self, name: str) -> dict[str, str]:
        """Return a map from strings to strings, empty if it is missing."""
        values = self.optional(name, dict) or {}
        return {key: _typed(value, str, f"{self.where}: {name}[{key[:64]!r}]") for key, value in values.items()}

    def object(self, name: str) -> Fields:
        """Return an object."""
        return Fields(self.required(name, dict), f"{self.where}: {name}")

    def objects(self, name: str) -> Iterator[Fields]:
        """Yield the objects of a list that may be missing."""
        for number, value in enumerate(self.optional(name, list) or []):
            yield Fields.of(value, f"{self.where}: {name}[{number}]")

    def digests(self, name: str) -> tuple[str, ...]:
        """Return a list of digests."""
        values = self.texts(name)
        for number, value in enumerate(values):
            _check_digest(value, f"{self.where}: {name}[{number}]")
        return values

    def descriptor(self) -> Descriptor:
        """Return the object as a descriptor."""
        size = self.required("size", int)
        if not 0 <= size <= _LARGEST:
            raise InvalidArgument(f"{self.where}: size: {size} is not between 0 and {_LARGEST}")
        digest = self.text("digest")
        _check_digest(digest, f"{self.where}: digest")
        return Descriptor(self.text("mediaType"), digest, size, self.text_map("annotations"))


def _typed(value: Any, kind: type[_T], where: str) -> _T:
    if type(value) is not kind:  # bool is a subclass of int
        raise InvalidArgument(f"{where}: expected {_NAMES[kind]}, found {_NAMES[type(value)]}")
    return value


def _check_digest(text: str, where: str) -> None:
    try:
        check_digest(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"{where}: {error}") from None
