"""The table of a collection."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lamina.cli.command import lamina
from lamina.cli.images import removals
from lamina.metadata.collection import Removed
from tests.support.images.collectors import RecordedCollector

DIGEST = f"sha256:{'a' * 64}"
UNLISTED = Removed("snapshot", "", "default", "overlayfs", error="cannot list its snapshots: no answer")


@pytest.fixture
def prune(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`prune(removed, *options)` runs the command against a host that removes these things."""

    def run(found: list[Removed], *options: str) -> Result:
        class Client:
            def collector(self) -> RecordedCollector:
                return RecordedCollector(found)

        @contextlib.contextmanager
        def connected() -> Iterator[Any]:
            yield Client()

        monkeypatch.setattr(removals, "connected", connected)
        return CliRunner().invoke(lamina, ["images", "prune", *options])

    return run


def test_what_was_removed_is_counted_by_kind(prune: Callable[..., Result]) -> None:
    found = [
        Removed("blob", DIGEST, size=1000),
        Removed("blob", DIGEST, size=48),
        Removed("lease", "a", "default"),
    ]
    done = prune(found)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "removed 2 blobs, 1 lease, 1.0 KiB")


def test_a_failure_is_an_error_of_the_command(prune: Callable[..., Result]) -> None:
    done = prune([Removed("snapshot", "x", "default", "overlayfs", 5, "unused", error="in use")])
    assert done.exit_code == 1
    assert done.output.splitlines()[1].split(maxsplit=6) == [
        "failed", "snapshot", "x", "overlayfs/images/default", "5", "B", "in use",
    ]  # fmt: skip
    assert done.output.splitlines()[2:] == ["removed nothing", "failed to remove 1 snapshot, 5 B"]


def test_keyspaces_that_cannot_be_listed_keep_the_blobs(prune: Callable[..., Result]) -> None:
    done = prune([UNLISTED, Removed("snapshot", "", error="snapshotter remote does not work")])
    assert done.exit_code == 1
    _, first, second, removed, kept = done.output.splitlines()
    assert first.split()[:4] == ["failed", "snapshot", "-", "overlayfs/images/default"]
    assert second.split()[:4] == ["failed", "snapshot", "-", "-"]
    assert removed == "removed nothing"
    assert kept == "kept all blobs, because snapshots that may need them could not be listed"


def test_failures_are_an_error_of_the_command_as_json_too(prune: Callable[..., Result]) -> None:
    done = prune([UNLISTED], "--json")
    (one,) = json.loads(done.output)
    assert (done.exit_code, one["Outcome"], one["Error"]) == (1, "failed", UNLISTED.error)


def test_names_cannot_forge_lines(prune: Callable[..., Result]) -> None:
    done = prune([Removed("image", "a\nremoved nothing", "default")])
    assert len(done.output.splitlines()) == 3
