"""The conformance suite itself."""

from __future__ import annotations

import inspect
from collections import Counter

from lamina.testing import Conformance

GROUPS = [
    group for group in Conformance.__mro__ if group.__name__.endswith("Checks") and group.__name__ != "Checks"
]
CHECKS = [name for group in GROUPS for name in vars(group) if name.startswith("test_")]


def test_no_check_hides_another_of_the_same_name() -> None:
    assert [name for name, times in Counter(CHECKS).items() if times > 1] == []


def test_there_are_many_checks() -> None:
    assert len(CHECKS) >= 60


def test_each_check_has_a_docstring() -> None:
    assert [name for name in CHECKS if not inspect.getdoc(getattr(Conformance, name))] == []


def test_pytest_does_not_collect_an_imported_suite() -> None:
    assert not Conformance.__name__.startswith("Test")
