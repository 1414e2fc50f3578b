"""The grammar of filters and its errors."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import FilterSyntaxError, to_status
from lamina.filters import parse

FIELDS = {
    ("name",): "foo",
    ("labels", "foo"): "bar",
    ("labels", "containerd.io/gc.root"): "now",
    ("empty",): "",
    ("é",): "accent",
}


def matches(*expressions: str) -> bool:
    return parse(*expressions).match(FIELDS.get)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "name",
        "labels.foo,name",
        "name==foo",
        'name=="foo"',
        "name!=bar",
        "name~=o{2}",
        "name~=/^f(o|x){1,2}$/",
        "name~=|o|",
        "name~=/a,b|foo/",
        "name==foo, empty",
        "  name  ==  foo",
        "name.\u00a0x!=y",
        "labels.\tfoo==bar",
        'labels."containerd.io/gc.root"',
        r'"\u00e9"==accent',
        r'"\xc3\xa9"==accent',
        r'"\303\251"==accent',
        '"é"',
        "absent!=foo",
        "absent~=^$",
        "empty!=foo",
        'empty==""',
        r'name~="^\\w+$"',
        r"name~=^\w+$",
        r'name=="\x66\157\U0000006f"',
        "other~=/[abc]{1,2}|^$/,name!=bar",
    ],
)
def test_matches(expression: str) -> None:
    assert matches(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "absent",
        'absent==""',
        'absent!=""',
        'empty!=""',
        "name==fo",
        "name==foo/bar",
        "name==f=o",
        'name==f"oo"',
        "name=='foo'",
        "name~=^o",
        "name,absent",
        "name==foo,name!=foo",
        "0.9_a",
    ],
)
def test_does_not_match(expression: str) -> None:
    assert not matches(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name==foo,", "[name==foo,]: expected field or quoted"),
        (" ", "[ ]: expected field or quoted"),
        ("name.", "[name.]: expected field or quoted"),
        ("-a==b", "[ >|-|< a==b]: expected field or quoted"),
        ("==b", "[ >|=|< =b]: expected field or quoted"),
        ("labels.ns/key==value", "[labels.ns >|/|< key==value]: quoted literal not terminated"),
        ("labels.ns/key/==value", '[labels.ns >|/|< key/==value]: expected an operator ("=="|"!="|"~=")'),
        ("image~=,id", "[image~= >|,|< id]: expected value or quoted"),
        ("name==", "[name==]: expected value or quoted"),
        ("name==.a", "[name== >|.|< a]: expected value or quoted"),
        ("name = bar", '[name  >|=|<  bar]: unsupported operator "="'),
        ("name===bar", '[name >|=|< ==bar]: unsupported operator "==="'),
        ("name==~bar", '[name >|=|< =~bar]: unsupported operator "==~"'),
        ("name ", '[name ]: expected an operator ("=="|"!="|"~=")'),
        ("name ,id", '[name  >|,|< id]: expected an operator ("=="|"!="|"~=")'),
        ("name-x", '[name >|-|< x]: expected an operator ("=="|"!="|"~=")'),
        ("name==a ", "[name==a >| |< ]: unexpected input:  "),
        ("name==a ,id", "[name==a >| |< ,id]: unexpected input:  "),
        ('name=="a"b', '[name=="a" >|b|< ]: unexpected input: b'),
        ("name==a\u200bb", "[name==a >|\u200b|< b]: unexpected input: \u200b"),
        ("name==/a/", "[name== >|/|< a/]: invalid quote encountered"),
        ("name!=|a|", "[name!= >||| a|]: invalid quote encountered".replace("||| ", "|||< ")),
        ("/a/==b", "[ >|/|< a/==b]: invalid quote encountered"),
        ('name=="a', '[name== >|"|< a]: quoted literal not terminated'),
        ('name=="a\nb"', '[name== >|"|< a\nb"]: quoted literal not terminated'),
        (r'name=="\d"', r'[name== >|"|< \d"]: illegal escape sequence'),
        (r'name=="\/"', r'[name== >|"|< \/"]: illegal escape sequence'),
        ('name=="\\', '[name== >|"|< \\]: illegal escape sequence'),
        (r'name=="\18"', r'[name== >|"|< \18"]: illegal numeric escape sequence'),
        (r'name=="\xg0"', r'[name== >|"|< \xg0"]: illegal numeric escape sequence'),
        (r'name=="\u00e"', r'[name== >|"|< \u00e"]: illegal numeric escape sequence'),
        (r'name=="\400"', r'[name== >|"|< \400"]: unquoting failed: invalid syntax'),
        (r'name=="\ud800"', r'[name== >|"|< \ud800"]: unquoting failed: invalid syntax'),
        (r'name=="\UFFFFFFFF"', r'[name== >|"|< \UFFFFFFFF"]: unquoting failed: invalid syntax'),
        ("na\0me", "[na >|\0|< me]: unexpected null"),
        ("name==a\0", "[name==a >|\0|< ]: unexpected null"),
        ('name=="a\0"', '[name== >|"|< a\0"]: unexpected null'),
        ("name==\ufffd", "[name== >|\ufffd|< ]: rune error"),
        ("name==a\udcff", "[name==a >|\udcff|< ]: rune error"),
    ],
)
def test_a_syntax_error_shows_position_and_reason(expression: str, message: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse(expression)
    assert str(caught.value) == f"filters: parse error: {message}"


def test_on_the_wire_a_syntax_error_is_an_invalid_argument() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse("name==foo,")
    _, message = to_status(caught.value)
    assert message == "filters: parse error: [name==foo,]: expected field or quoted: invalid argument"


def test_no_expression_matches_everything() -> None:
    assert matches()


def test_several_expressions_are_alternatives() -> None:
    assert matches("absent", "name==foo")
    assert not matches("absent", "name==bar")


def test_an_empty_expression_among_others_matches_everything() -> None:
    assert matches("absent", "")


def test_one_invalid_expression_fails_all() -> None:
    with pytest.raises(FilterSyntaxError):
        parse("name", "", "name==")


def test_a_filter_of_the_maximum_size_parses() -> None:
    """The parser neither recurses nor backtracks."""
    assert matches('name!="' + r"\\x" * 80_000 + '"')
    assert matches(",".join(["name"] * 1024))
    assert not matches(".".join(["a"] * 100_000))


@given(st.text(alphabet=st.sampled_from(',.=!~"/| \\\n\0axu07é\ufffd\udcff') | st.characters()))
def test_any_text_parses_or_is_a_syntax_error(text: str) -> None:
    with contextlib.suppress(FilterSyntaxError):
        parse(text).match(FIELDS.get)
