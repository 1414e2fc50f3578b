"""Checks of concurrent calls."""

from __future__ import annotations

import functools
from typing import Any, Final

from lamina.errdefs import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.testing._checks.calls import write_many
from lamina.testing._checks.subject import Checks, Subject, assert_same, keys, mounted, paths, run_concurrently

WRITERS: Final = 8
ROUNDS: Final = 5


def winners(outcomes: list[Any]) -> list[int]:
    """Return the indexes of the calls that succeeded."""
    return [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, Exception)]


def only_winner(outcomes: list[Any]) -> int:
    """Return the index of the only call that succeeded."""
    found = winners(outcomes)
    assert len(found) == 1, f"{len(found)} mutually exclusive calls succeeded"
    return found[0]


class ConcurrencyChecks(Checks):
    """Of mutually exclusive calls one succeeds; the others fail as if they had come later."""

    def test_of_prepares_of_one_key_exactly_one_wins(self, subject: Subject) -> None:
        """The others raise AlreadyExists."""
        subject.layer("base")
        snapshotter = subject.snapshotter
        calls = [functools.partial(snapshotter.prepare, "key", "base", {"n": str(n)}) for n in range(WRITERS)]
        outcomes = run_concurrently(*calls)
        winner = only_winner(outcomes)
        assert all(type(outcome) is AlreadyExists for outcome in outcomes if outcome is not outcomes[winner])
        assert snapshotter.stat("key").labels == {"n": str(winner)}
        assert snapshotter.mounts("key") == outcomes[winner]

    def test_of_prepare_and_view_of_one_key_one_wins(self, snapshotter: Snapshotter) -> None:
        """The snapshot has the kind that the winner requested."""
        for number in range(ROUNDS):
            key = f"key{number}"
            calls = [functools.partial(make, key) for make in (snapshotter.prepare, snapshotter.view)]
            winner = only_winner(run_concurrently(*calls))
            assert snapshotter.stat(key).kind is (Kind.ACTIVE, Kind.VIEW)[winner]

    def test_of_commits_of_one_key_exactly_one_wins(self, snapshotter: Snapshotter) -> None:
        """The others raise NotFound."""
        snapshotter.prepare("a")
        outcomes = run_concurrently(*(functools.partial(snapshotter.commit, f"c{n}", "a") for n in range(WRITERS)))
        winner = only_winner(outcomes)
        assert {type(outcome) for outcome in outcomes} == {type(None), NotFound}
        assert keys(snapshotter) == [f"c{winner}"]

    def test_of_commits_to_one_name_exactly_one_wins(self, snapshotter: Snapshotter) -> None:
        """The others raise AlreadyExists, and their active snapshots remain."""
        for number in range(WRITERS):
            snapshotter.prepare(f"a{number}")
        outcomes = run_concurrently(
            *(functools.partial(snapshotter.commit, "name", f"a{n}") for n in range(WRITERS))
        )
        winner = only_winner(outcomes)
        assert {type(outcome) for outcome in outcomes} == {type(None), AlreadyExists}
        assert keys(snapshotter) == [*(f"a{n}" for n in range(WRITERS) if n != winner), "name"]

    def test_of_removals_of_one_snapshot_exactly_one_wins(self, snapshotter: Snapshotter) -> None:
        """The others raise NotFound."""
        snapshotter.prepare("a")
        outcomes = run_concurrently(*[functools.partial(snapshotter.remove, "a")] * WRITERS)
        only_winner(outcomes)
        assert {type(outcome) for outcome in outcomes} == {type(None), NotFound}
        assert keys(snapshotter) == []

    def test_a_child_and_the_removal_of_its_parent(self, subject: Subject) -> None:
        """Either child and parent exist, or neither does."""
        for number in range(ROUNDS):
            parent, child = f"parent{number}", f"child{number}"
            subject.layer(parent, write_many)
            snapshotter = subject.snapshotter
            outcomes = run_concurrently(
                functools.partial(snapshotter.prepare, child, parent),
                functools.partial(snapshotter.remove, parent),
            )
            existing = set(keys(snapshotter)) & {parent, child}
            match winners(outcomes):
                case [0]:
                    assert existing == {parent, child}
                    assert isinstance(outcomes[1], FailedPrecondition)
                    assert_same(subject.active_tree(child), subject.tree(parent))
                case [1]:
                    assert existing == set()
                    assert isinstance(outcomes[0], NotFound)
                case others:
                    raise AssertionError(f"calls {others} succeeded, although they exclude each other")

    def test_removals_and_prepares_of_one_key(self, subject: Subject) -> None:
        """In any order, a snapshot is complete or absent."""
        snapshotter = subject.snapshotter
        for _ in range(ROUNDS):
            makes = [functools.partial(snapshotter.prepare, "key")] * 3
            removals = [functools.partial(snapshotter.remove, "key")] * 3
            outcomes = run_concurrently(*makes, *removals)
            assert {type(outcome) for outcome in outcomes} <= {list, type(None), AlreadyExists, NotFound}
            made = sum(isinstance(outcome, list) for outcome in outcomes)
            removed = sum(outcome is None for outcome in outcomes)
            assert made - removed == len(keys(snapshotter))
            if keys(snapshotter):
                assert not paths(subject.active_tree("key"))
                snapshotter.remove("key")

    def test_snapshots_made_at_once_have_trees_of_their_own(self, subject: Subject) -> None:
        """No two of them share a directory."""
        subject.layer("base")
        snapshotter = subject.snapshotter
        all_mounts = run_concurrently(
            *(functools.partial(snapshotter.prepare, f"a{n}", "base") for n in range(WRITERS))
        )
        for number, mounts in enumerate(all_mounts):
            with mounted(mounts) as root:
                (root / str(number)).touch()
        for number in range(WRITERS):
            assert paths(subject.active_tree(f"a{number}")) == {str(number)}
        assert keys(snapshotter, "kind==active") == [f"a{number}" for number in range(WRITERS)]

    def test_updates_of_different_labels_lose_nothing(self, snapshotter: Snapshotter) -> None:
        """All concurrent updates take effect."""
        snapshotter.prepare("a", labels={"x": "1"})
        run_concurrently(
            *(
                functools.partial(snapshotter.update, Info("a", labels={f"l{n}": str(n)}), (f"labels.l{n}",))
                for n in range(WRITERS)
            )
        )
        assert snapshotter.stat("a").labels == {"x": "1", **{f"l{n}": str(n) for n in range(WRITERS)}}

    def test_a_commit_and_a_child_of_what_it_makes(self, subject: Subject) -> None:
        """The child has the complete layer, or its creation fails."""
        snapshotter = subject.snapshotter
        for number in range(ROUNDS):
            with mounted(snapshotter.prepare(f"a{number}")) as root:
                (root / "whole").touch()
            committed, child = run_concurrently(
                functools.partial(snapshotter.commit, f"c{number}", f"a{number}"),
                functools.partial(snapshotter.prepare, f"child{number}", f"c{number}"),
            )
            assert committed is None
            if isinstance(child, list):
                assert paths(subject.active_tree(f"child{number}")) == {"whole"}
            else:
                assert isinstance(child, NotFound | InvalidArgument)

    def test_walks_go_on_while_others_write(self, snapshotter: Snapshotter) -> None:
        """Snapshots that exist throughout are shown, in order."""
        stay = [f"stay{number}" for number in range(WRITERS)]
        for key in stay:
            snapshotter.prepare(key)

        def come_and_go() -> None:
            for number in range(ROUNDS):
                snapshotter.prepare(f"go{number}")
                snapshotter.remove(f"go{number}")

        def walk() -> None:
            for _ in range(ROUNDS):
                found = keys(snapshotter)
                assert found == sorted(found)
                assert [key for key in found if key in stay] == stay

        run_concurrently(come_and_go, walk, walk)
        assert keys(snapshotter) == stay
