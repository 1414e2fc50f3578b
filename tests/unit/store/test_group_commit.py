"""Commits that are interrupted because there is no memory left."""

from __future__ import annotations

from typing import Any, SupportsIndex

import pytest

from lamina.steps import Request
from lamina.store._group_commit import GroupCommit
from lamina.store._pending import Body, Pending


class Unsliceable(list[Pending]):
    """Operations that wait, of which no part can be copied at first."""

    failures = 3

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        if isinstance(key, slice) and self.failures:
            self.failures -= 1
            raise MemoryError
        return super().__getitem__(key)


class Commits:
    """Commits that store a result, unless they are interrupted before or after that."""

    def __init__(self) -> None:
        self.interrupts_after = -1
        self.group = GroupCommit(self._commit)

    def _commit(self, group: list[Pending]) -> None:
        for number, pending in enumerate(group):
            if number == self.interrupts_after:
                raise MemoryError
            pending._request.result = "stored"

    def perform(self, count: int) -> list[tuple[Any, type[Exception] | None]]:
        """Perform operations; return the result of each, and the type of its error."""
        requests: list[Request[Body]] = [Request(self.group, lambda _: None) for _ in range(count)]
        self.group.perform(requests)
        return [(one.result, type(one.error) if one.error else None) for one in requests]


@pytest.mark.parametrize("after", [0, 1])
def test_no_operation_of_an_interrupted_commit_succeeds(after: int) -> None:
    commits = Commits()
    commits.interrupts_after = after
    assert commits.perform(2) == [(None, MemoryError)] * 2
    commits.interrupts_after = -1
    assert commits.perform(1) == [("stored", None)]


def test_a_group_that_cannot_be_taken_is_taken_later() -> None:
    commits = Commits()
    commits.group._waiting = Unsliceable()
    assert commits.perform(2) == [("stored", None)] * 2
