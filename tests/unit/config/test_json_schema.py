"""The JSON Schema accepts valid files and rejects mistakes that an editor can detect."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NewType

import attrs
import jsonschema
import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.config import Duration, HostConfig, from_document
from lamina.config.describing import json_schema, render_default
from lamina.errdefs import ConfigError
from lamina.plugin import discover
from tests.support.rounds import rounds

URI = "io.x.v1.test"
Name = NewType("Name", str)


class Mode(enum.StrEnum):
    FAST = "fast"
    SAFE = "safe"


@attrs.frozen
class Inner:
    """A part."""

    size: int
    """How large.

    In bytes."""
    more: Inner | None = None


@attrs.frozen
class Everything:
    """All kinds."""

    flag: bool = False
    """Whether."""
    number: int = 3
    ratio: float = 0.5
    text: str = "t"
    name: Name = Name("n")
    path: Path = Path("/p")
    wait: Duration = attrs.field(default=Duration(90))
    mode: Mode = Mode.FAST
    choice: Literal["a", 1] = "a"
    maybe: int | None = None
    words: list[str] = attrs.field(factory=lambda: ["w"])
    several: tuple[str, ...] = ()
    sequence: Sequence[int] = ()
    pair: tuple[int, str] = (0, "")
    unique: frozenset[int] = frozenset({1})
    table: dict[str, int] = attrs.field(factory=dict)
    anything: Any = None
    inner: Inner = attrs.field(factory=lambda: Inner(1))
    inners: list[Inner] = attrs.field(factory=list)


def table_schema(schema: type) -> dict[str, Any]:
    whole = json_schema({URI: schema})
    table: dict[str, Any] = whole["properties"]["plugins"]["properties"][URI]
    return {**table, "$defs": whole["$defs"]}


def test_each_kind_of_value_has_its_schema() -> None:
    schema = table_schema(Everything)
    inner = f"{Inner.__module__}.Inner"
    reference = {"$ref": f"#/$defs/{inner}"}
    assert (schema["type"], schema["description"], schema["additionalProperties"]) == (
        "object",
        "All kinds.",
        False,
    )
    properties = schema["properties"]
    pattern = properties["wait"].pop("pattern")
    assert pattern.startswith("^")
    assert properties == {
        "flag": {"type": "boolean", "description": "Whether.", "default": False},
        "number": {"type": "integer", "default": 3},
        "ratio": {"type": "number", "default": 0.5},
        "text": {"type": "string", "default": "t"},
        "name": {"type": "string", "default": "n"},
        "path": {"type": "string", "minLength": 1, "default": "/p"},
        "wait": {"type": "string", "examples": ["1m30s"], "default": "1m30s"},
        "mode": {"enum": ["fast", "safe"], "default": "fast"},
        "choice": {"enum": ["a", 1], "default": "a"},
        "maybe": {"type": "integer"},
        "words": {"type": "array", "items": {"type": "string"}, "default": ["w"]},
        "several": {"type": "array", "items": {"type": "string"}, "default": []},
        "sequence": {"type": "array", "items": {"type": "integer"}, "default": []},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "minItems": 2,
            "maxItems": 2,
            "default": [0, ""],
        },
        "unique": {"type": "array", "items": {"type": "integer"}, "default": [1]},
        "table": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
        "anything": {},
        "inner": reference,
        "inners": {"type": "array", "items": reference, "default": []},
    }
    assert schema["$defs"][inner] == {
        "type": "object",
        "description": "A part.",
        "properties": {"size": {"type": "integer", "description": "How large.\n\nIn bytes."}, "more": reference},
        "required": ["size"],
        "additionalProperties": False,
    }


@attrs.frozen
class Unreadable:
    other: "Nowhere" = None  # noqa: F821, UP037 # that is the point


def test_an_unreadable_class_accepts_any_table() -> None:
    table = table_schema(Unreadable)
    assert (table.pop("$defs"), table) == (json_schema({})["$defs"], {"type": "object"})


def test_a_plugin_without_configuration_is_not_described() -> None:
    assert json_schema({URI: None})["properties"]["plugins"]["properties"] == {}


def installed() -> dict[str, type | None]:
    return {one.uri: one.config for one in discover().registry}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    registry = discover().registry
    schema = json_schema(installed(), {name: one.config for name, one in registry.proxy_types.items()})
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_default_configuration_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(tomli.loads(render_default(installed(), HostConfig())))


def test_the_examples_are_valid(validator: jsonschema.Draft202012Validator) -> None:
    examples = Path(__file__).parents[3] / "examples"
    paths = sorted(examples.glob("config*.toml"))
    assert paths
    for path in paths:
        validator.validate(tomli.loads(path.read_text()))


OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", []),
        ("version = 3", ["version"]),
        ('version = 4\nrot = "/r"', []),
        ("version = 4\nroot = 5", ["root"]),
        ('version = 4\ntimeouts.x = "5"', ["timeouts", "x"]),
        ('version = 4\ndebug.level = "loud"', ["debug", "level"]),
        ("version = 4\ndebug.x = 1", ["debug"]),
        ('version = 4\nproxy_plugins.x.type = "snapshot"', ["proxy_plugins", "x"]),
        ('version = 4\nproxy_plugins.x = { type = "diff", address = "/a" }', ["proxy_plugins", "x", "type"]),
        ("version = 4\nplugins.x = 1", ["plugins", "x"]),
        (f'version = 4\nplugins."{OVERLAY}".sync_fs = "yes"', ["plugins", OVERLAY, "sync_fs"]),
        (f'version = 4\nplugins."{OVERLAY}".sync_f = true', ["plugins", OVERLAY]),
        (f'version = 4\nplugins."{OVERLAY}".mount_options = [1]', ["plugins", OVERLAY, "mount_options", 0]),
    ],
)
def test_errors_are_reported_at_their_location(
    validator: jsonschema.Draft202012Validator, text: str, place: list[str | int]
) -> None:
    (error,) = validator.iter_errors(tomli.loads(text))
    assert list(error.absolute_path) == place


def test_a_table_of_a_plugin_that_is_not_installed_may_hold_anything(
    validator: jsonschema.Draft202012Validator,
) -> None:
    validator.validate({"version": 4, "plugins": {"io.x.v1.y": {"z": [1, {"a": None}]}}})


values = st.one_of(
    st.booleans(),
    st.integers(-2, 2),
    st.floats(0.1, 0.9),
    st.sampled_from(["", "a", "t", "fast", "1m30s", "5", "0", "-1.5h3ms", "1s2", "µs", ".5us", "1.s"]),
    st.lists(st.integers(0, 1) | st.sampled_from(["a", ""]), max_size=3),
    st.dictionaries(st.sampled_from(["size", "more", "k"]), st.integers(0, 2) | st.just("x"), max_size=2),
    st.lists(st.dictionaries(st.just("size"), st.integers(0, 2) | st.just("x"), max_size=1), max_size=2),
)


EVERYTHING = jsonschema.Draft202012Validator(table_schema(Everything))


@settings(max_examples=rounds(100, 10_000))
@given(st.dictionaries(st.sampled_from([field.name for field in attrs.fields(Everything)]), values, max_size=3))
def test_a_table_is_valid_exactly_if_it_can_be_decoded(table: dict[str, Any]) -> None:
    try:
        from_document({"plugins": {URI: table}}).decode_plugins({URI: Everything})
        decoded = True
    except ConfigError:
        decoded = False
    assert EVERYTHING.is_valid(table) == decoded


def test_defaults_are_those_of_the_user_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert json_schema({})["properties"]["root"]["default"] == "/var/lib/lamina"


@attrs.frozen
class Unwritable:
    thing: object = attrs.field(factory=lambda: 10**5000)


def test_a_class_whose_defaults_cannot_be_written_may_hold_anything() -> None:
    assert json_schema({URI: Unwritable})["properties"]["plugins"]["properties"][URI] == {"type": "object"}
