"""The header `WWW-Authenticate`."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.registry.authentication import Challenge, parse_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            HUB,
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        ('Basic realm="Registry"', [("basic", {"realm": "Registry"})]),
        ("Basic", [("basic", {})]),
        ("Negotiate, Basic", [("negotiate", {}), ("basic", {})]),
        ("Negotiate YII/+abc==, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        (
            'Digest realm="a, b", nonce="c=\\"d\\"", Basic realm="e"',
            [("digest", {"realm": "a, b", "nonce": 'c="d"'}), ("basic", {"realm": "e"})],
        ),
        ("BEARER REALM=https://a/b?c=d , Service = e", [("bearer", {"realm": "https://a/b?c=d", "service": "e"})]),
        ('Bearer realm="a",realm="b"', [("bearer", {"realm": "a"})]),
        ('Bearer realm="unclosed', [("bearer", {})]),
        (", ,Basic realm=a", [("basic", {"realm": "a"})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_parsed(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    found = [(challenge.scheme, challenge.parameters) for challenge in parse_challenges([header])]
    assert found[: len(expected)] == expected


def test_every_header_counts() -> None:
    schemes = [challenge.scheme for challenge in parse_challenges(["Basic realm=a", HUB])]
    assert schemes == ["basic", "bearer"]


NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=9).filter(
    lambda name: name[0].isalpha()
)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20)
CHALLENGES = st.builds(Challenge, NAMES, st.dictionaries(NAMES, VALUES, min_size=1, max_size=4))


@given(st.lists(CHALLENGES, min_size=1, max_size=3), st.sampled_from([", ", ",", " , ,"]))
def test_what_is_written_is_read(challenges: list[Challenge], separator: str) -> None:
    assert parse_challenges([separator.join(map(written, challenges))]) == challenges


@given(st.text(max_size=200) | st.text('ab"\\=, \t', max_size=200))
def test_anything_is_read_without_an_error(header: str) -> None:
    for challenge in parse_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize("unit", ['a="', "a=", "a ", ",", '\\"', 'a="b",', "a a=", " ", "a/"])
def test_a_long_header_costs_little(unit: str) -> None:
    """It has a limit, and no expression in it takes more than a step for each character and pair."""
    parse_challenges([unit * 1_000_000])


def written(challenge: Challenge) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    parameters = ",".join(f"{name}={quoted(value)}" for name, value in challenge.parameters.items())
    return f"{challenge.scheme} {parameters}"
