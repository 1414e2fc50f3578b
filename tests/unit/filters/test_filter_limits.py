"""Limits of the filters in a request."""

import hashlib
import subprocess
import sys
import time

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, FilterSyntaxError, InvalidArgument
from lamina.filters import (
    MAX_BYTES,
    MAX_FILTERS,
    MAX_PATTERN_BYTES,
    MAX_PATTERN_WORK,
    MAX_PATTERNS,
    MAX_SELECTORS,
    parse,
    quote,
)

AS_MUCH_AS_MAY_BE = {
    "bytes": ["n" * MAX_BYTES],
    "filters": ["name"] * MAX_FILTERS,
    "selectors in one filter": [",".join(["name"] * MAX_SELECTORS)],
    "selectors in two filters": [",".join(["name"] * (MAX_SELECTORS // 2))] * 2,
    "patterns": [",".join(["name~=a"] * (MAX_PATTERNS // 2))] * 2,
    "a pattern": [f"name~={'a' * MAX_PATTERN_BYTES}"],
    "nested groups": [f"name~=|{'(' * 2000}{')' * 2000}|"],
}

TOO_MUCH = {
    "bytes": (["é" * (MAX_BYTES // 2), "a"], "filters: 262145 bytes of filters in a request: at most 262144"),
    "filters": (["name"] * 65, "filters: 65 filters in a request: at most 64"),
    "selectors in one filter": ([",".join(["name"] * 1025)], "filters: at most 1024 selectors"),
    "selectors in two filters": ([",".join(["name"] * 600)] * 2, "filters: at most 1024 selectors"),
    "patterns": ([",".join(["a~=a"] * 65)], 'filters: 65 selectors with "~=" in a request: at most 64'),
    "a pattern": (["a~=" + "é" * 2049], 'filters: 4098 bytes in the value of a "~=": at most 4096'),
    "nested groups": (["labels.l~=|" + "(" * 50_000 + ")" * 50_000 + "|"], "filters: 100000 bytes in the value"),
    "memory": (
        [r"labels.l~=\pL{500}"],
        "filters: the regular expression on labels.l needs more than 524288 bytes",
    ),
}

LONGEST_KEY = 32 << 10
HOSTILE = [
    "(a?){500}Z",
    "(" + "a?" * 12 + "){1000}Z",
    "(a|aa){500}b",
    "a{1000}b",
    "((a+){30}){30}Z",
    "(?i)(a?\\B){700}Z",
]
IDENTIFIERS = [hashlib.sha256(bytes([number // 2, number % 2])).hexdigest()[:12] for number in range(300)]
COMMON = {
    "a prefix": ("^k8s\\.io/[0-9]+/", "k8s.io/12/extract", LONGEST_KEY),
    "a digest": ("sha256:[0-9a-f]{64}$", "sha256:" + "0" * 64, LONGEST_KEY),
    "letters": (r"\pL+\s\p{Cyrillic}{1,5}", "é ж", 4 << 10),
    "any case": ("(?i)nginx|redis|éclair", "ÉCLAIR", LONGEST_KEY),
    "a counted repetition": ("[a-z0-9]{1,100}/.{100}", "a/" + "é" * 100, 4 << 10),
    "nested repetitions": ("^([a-z]+([._-][a-z0-9]+){0,10}/){1,5}$", "docker.io/library/", 8 << 10),
    "identifiers": ("|".join(IDENTIFIERS), IDENTIFIERS[-1], 2 << 10),
}


@pytest.mark.parametrize("what", AS_MUCH_AS_MAY_BE)
def test_a_filter_at_a_limit_is_accepted(what: str) -> None:
    parse(*AS_MUCH_AS_MAY_BE[what]).match(lambda _: "aaa")


@pytest.mark.parametrize("what", TOO_MUCH)
def test_a_filter_beyond_a_limit_is_refused_with_its_name(what: str) -> None:
    expressions, message = TOO_MUCH[what]
    with pytest.raises(InvalidArgument) as caught:
        parse(*expressions)
    assert str(caught.value).startswith(message)
    assert not isinstance(caught.value, FilterSyntaxError)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_a_regular_expression_does_not_search_a_value_that_is_too_long_for_it(pattern: str) -> None:
    filter_ = parse(f"labels.l~=|{pattern}|" if "|" not in pattern else f"labels.l~=/{pattern}/")
    assert not filter_.match(lambda _: "a")
    with pytest.raises(
        InvalidArgument,
        match=rf"^filters: the regular expression on labels\.l has [0-9]+ .* most {MAX_PATTERN_WORK}",
    ):
        filter_.match(lambda _: "a" * LONGEST_KEY)


@pytest.mark.parametrize("what", COMMON)
def test_common_regular_expressions_search_long_values(what: str) -> None:
    pattern, text, size = COMMON[what]
    filter_ = parse(f"name~={quote(pattern)}")
    assert filter_.match(lambda _: text)
    assert not filter_.match(lambda _: "?" * size)


@pytest.mark.parametrize("character", ["k", "\n", "\x7f", '"', "\u0085", "\u200b", "\U000e0001"])
def test_the_longest_key_and_the_longest_label_fit_into_a_filter(character: str) -> None:
    """As containerd composes it: `labels."…"==X,parent=="key"`; a key has up to 32,768 bytes."""
    key = character * (32_768 // len(character.encode()))
    label = '"' * 4096
    filter_ = parse(f"labels.{quote(label)}==x,parent=={quote(key)}")
    assert filter_.match(lambda path: key if path == ("parent",) else "x")


def test_groups_are_not_captured() -> None:
    """Captures would take time for each character of the text: a minute here, instead of milliseconds."""
    script = (
        "import resource, lamina.filters as filters\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "filter = filters.parse('name~=|' + '(' * 2000 + 'a*' + ')' * 2000 + '$|')\n"
        "assert filter.match(lambda _: 'a' * 4096)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_syntax_error_shows_only_the_text_around_its_position() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse("a" * 100_000 + "-" + "b" * 100_000)
    assert str(caught.value) == (
        f'filters: parse error: […{"a" * 64} >|-|< {"b" * 64}…]: expected an operator ("=="|"!="|"~=")'
    )


def test_a_long_invalid_operator_is_shortened() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse("name" + "=" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("context", "error"),
    [
        (CallContext(cancelled=True), Canceled),
        (CallContext(deadline=time.monotonic() - 1), DeadlineExceeded),
    ],
)
def test_a_search_ends_with_its_call(context: CallContext, error: type[Exception]) -> None:
    filter_ = parse(*["name~=^b"] * MAX_FILTERS)
    with use(context), pytest.raises(error):
        filter_.match(lambda _: "a")


def test_the_processor_time_limit_covers_all_matches_of_a_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lamina.filters._filter.MAX_PATTERN_SECONDS", 0.2)
    filter_ = parse("name~=|(v{0,200}){3}(v?){500}w|")  # some 20 ms for each text
    with pytest.raises(
        InvalidArgument, match=r'the "~=" of a request take more than 0\.2 seconds of processor time'
    ):
        sum(filter_.match(lambda _: "v" * 200) for _ in range(1_000))


def test_the_processor_time_limit_covers_all_regular_expressions_of_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lamina.filters._filter.MAX_PATTERN_SECONDS", 0.02)
    filter_ = parse(*["name~=|(v{0,200}){3}(v?){500}w|"] * MAX_PATTERNS)
    with pytest.raises(InvalidArgument, match="processor time"):
        filter_.match(lambda _: "v" * 200)


def test_a_common_regular_expression_stays_far_below_the_processor_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lamina.filters._filter.MAX_PATTERN_SECONDS", 5.0)
    filter_ = parse("name~=^k8s.*/[0-9]+$")
    assert sum(filter_.match(lambda _: "k8s.io/12/sha256") for _ in range(10_000)) == 0
