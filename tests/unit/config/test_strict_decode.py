"""Tables are decoded into attrs classes without coercion."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NewType

import attrs
import pytest

from lamina.config import Config, Duration, from_document
from lamina.errdefs import ConfigError, InvalidArgument

URI = "io.containerd.snapshotter.v1.test"
Name = NewType("Name", str)


class Mode(enum.StrEnum):
    FAST = "fast"
    SAFE = "safe"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@attrs.frozen
class Inner:
    size: int
    label: str = "none"


@attrs.frozen
class Everything:
    flag: bool = False
    number: int = 0
    ratio: float = 0.0
    text: str = ""
    name: Name = Name("")
    path: Path | None = None
    wait: Duration = attrs.field(default=Duration(1))
    mode: Mode = Mode.FAST
    level: Level = Level.LOW
    choice: Literal["a", 1] = "a"
    maybe: int | None = None
    words: list[str] = attrs.field(factory=list)
    several: tuple[str, ...] = ()
    sequence: Sequence[int] = ()
    pair: tuple[int, str] = (0, "")
    unique: set[int] = attrs.field(factory=set)
    table: dict[str, int] = attrs.field(factory=dict)
    anything: Any = None
    inner: Inner | None = None
    inners: list[Inner] = attrs.field(factory=list)
    bare: list = attrs.field(factory=list)  # written so by plugins


def config_of(table: dict[str, Any]) -> Config:
    return from_document({"plugins": {URI: table}})


def decode(table: dict[str, Any], schema: type = Everything) -> Any:
    values, warnings = config_of(table).decode_plugins({URI: schema})
    assert warnings == []
    return values[URI]


def problems_of(table: dict[str, Any], schema: type = Everything) -> list[str]:
    prefix = f'configuration given as a mapping: plugins."{URI}"'
    with pytest.raises(ConfigError) as caught:
        config_of(table).decode_plugins({URI: schema})
    assert [str(problem) for problem in caught.value.problems] == str(caught.value).split("\n")
    return [line.removeprefix(prefix) for line in str(caught.value).split("\n")]


def test_every_kind_of_value_is_read() -> None:
    assert decode(
        {
            "flag": True,
            "number": 3,
            "ratio": 2,
            "text": "x",
            "name": "n",
            "path": "/a/b",
            "wait": "1m30s",
            "mode": "safe",
            "level": 2,
            "choice": 1,
            "maybe": 4,
            "words": ["a", "b"],
            "several": ["c"],
            "sequence": [1],
            "pair": [1, "x"],
            "unique": [1, 2, 2],
            "table": {"k": 1},
            "anything": {"x": [1, "two"]},
            "inner": {"size": 1},
            "inners": [{"size": 2, "label": "l"}],
            "bare": [1, "x"],
        }
    ) == Everything(
        flag=True,
        number=3,
        ratio=2.0,
        text="x",
        name=Name("n"),
        path=Path("/a/b"),
        wait=Duration(90),
        mode=Mode.SAFE,
        level=Level.HIGH,
        choice=1,
        maybe=4,
        words=["a", "b"],
        several=("c",),
        sequence=(1,),
        pair=(1, "x"),
        unique={1, 2},
        table={"k": 1},
        anything={"x": [1, "two"]},
        inner=Inner(1),
        inners=[Inner(2, "l")],
        bare=[1, "x"],
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("flag", "false", 'expected true or false, found the string "false"'),
        ("flag", 0, "expected true or false, found the number 0"),
        ("number", True, "expected a whole number, found true"),
        ("number", "5", 'expected a whole number, found the string "5"'),
        ("number", 1.0, "expected a whole number, found the number 1.0"),
        ("ratio", True, "expected a number, found true"),
        ("ratio", "1", 'expected a number, found the string "1"'),
        ("text", 5, "expected a string, found the number 5"),
        ("text", ["a"], "expected a string, found an array of 1"),
        ("name", 5, "expected a string, found the number 5"),
        ("path", 5, "expected a path, found the number 5"),
        ("path", "", 'expected a path, found the string ""'),
        ("path", "a\0b", r'expected a path, found the string "a\u0000b"'),
        ("wait", 5, 'expected a duration such as "1m30s", found the number 5'),
        ("wait", "5", 'duration "5": expected numbers with units, such as "1m30s" or "100ms"'),
        ("mode", "slow", 'expected one of "fast", "safe", found the string "slow"'),
        ("mode", 1, 'expected one of "fast", "safe", found the number 1'),
        ("level", True, "expected one of the number 1, the number 2, found true"),
        ("choice", True, 'expected one of "a", the number 1, found true'),
        ("maybe", "4", 'expected a whole number, found the string "4"'),
        ("words", "ab", 'expected an array, found the string "ab"'),
        ("words", {"a": 1}, "expected an array, found a table"),
        ("several", "ab", 'expected an array, found the string "ab"'),
        ("sequence", "ab", 'expected an array, found the string "ab"'),
        ("unique", "ab", 'expected an array, found the string "ab"'),
        ("bare", "ab", 'expected an array, found the string "ab"'),
        ("pair", [1], "expected an array of 2, found an array of 1"),
        ("table", ["k"], "expected a table, found an array of 1"),
        ("inner", 5, "expected a table, found the number 5"),
    ],
)
def test_a_value_of_another_kind_is_a_problem(key: str, value: object, message: str) -> None:
    assert problems_of({key: value}) == [f".{key}: {message}"]


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"words": ["a", 1]}, "words[1]: expected a string"),
        ({"pair": [1, 2]}, "pair[1]: expected a string"),
        ({"unique": ["a"]}, "unique[0]: expected a whole number"),
        ({"table": {"a b": "x"}}, 'table."a b": expected a whole number'),
        ({"inner": {"size": "x"}}, "inner.size: expected a whole number"),
        ({"inners": [{"size": 1}, {"size": 1, "label": 2}]}, "inners[1].label: expected a string"),
    ],
)
def test_a_problem_inside_names_the_place_inside(table: dict[str, Any], place: str) -> None:
    (problem,) = problems_of(table)
    assert problem.startswith("." + place)


def test_all_problems_come_together() -> None:
    assert len(problems_of({"flag": 1, "words": [1, 2], "inner": {"label": 1, "sise": 1}, "nmber": 1})) == 7


def test_a_missing_key_is_a_problem_of_that_key() -> None:
    assert problems_of({"inner": {}}) == [".inner.size: expected a whole number, found nothing"]


def test_an_unknown_key_is_a_problem_with_the_nearest_known_one() -> None:
    assert problems_of({"numbr": 1}) == ['.numbr: unknown key (did you mean "number"?)']


def test_an_unknown_key_like_no_other_has_no_suggestion() -> None:
    assert problems_of({"zzz": 1}) == [".zzz: unknown key"]


@attrs.frozen
class Checked:
    low: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    high: int = attrs.field(default=10)
    names: list[str] = attrs.field(factory=list, converter=sorted)
    kind: str = attrs.field(default="a", validator=attrs.validators.in_(["a", "b"]))

    @high.validator
    def _check_high(self, _: object, high: int) -> None:
        if high < self.low:
            raise InvalidArgument(f"high is {high}, less than low")

    def __attrs_post_init__(self) -> None:
        if self.high == 13:
            raise ValueError("not today")
        if self.high == 14:
            raise SystemExit(3)


def test_a_failed_validator_is_a_problem_of_its_key() -> None:
    assert problems_of({"high": 0}, Checked) == [".high: high is 0, less than low"]


def test_each_validator_runs_despite_problems_of_other_keys() -> None:
    found = problems_of({"low": 0, "high": -1, "kind": "c", "names": 1, "lw": 1}, Checked)
    assert [line.split(":")[0] for line in found] == [".names", ".low", ".high", ".kind", ".lw"]


def test_a_validator_that_needs_an_invalid_field_does_not_run() -> None:
    assert problems_of({"low": "x", "high": 5}, Checked) == ['.low: expected a whole number, found the string "x"']


def test_an_exception_of_the_class_is_a_problem_of_the_table() -> None:
    assert problems_of({"high": 13}, Checked) == [": not today"]
    assert problems_of({"high": 14}, Checked) == [": SystemExit: 3"]


@attrs.frozen
class Unreadable:
    thing: complex = 0j
    other: "Nowhere" = None  # noqa: F821, UP037 # that is the point


def test_an_unreadable_class_is_a_problem_without_a_traceback() -> None:
    assert problems_of({}, Unreadable) == [": NameError: name 'Nowhere' is not defined"]
