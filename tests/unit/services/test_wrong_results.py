"""Snapshotters that return something else than their contract says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.api.messages.snapshots_pb2 import Info as InfoMessage
from lamina.errdefs import Code
from lamina.plugins.servers.grpc._status import status_of
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Snapshotter, Usage
from lamina.snapshots.storage import Record
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.records import snapshotters_of

MOUNTS = "a list of lamina.mount.Mount"
INFO = "a lamina.snapshots.Info"
CASES: dict[str, tuple[dict[str, Any], object, str]] = {
    "Prepare": ({"key": "a"}, None, MOUNTS),
    "View": ({"key": "a"}, [{"type": "bind"}], MOUNTS),
    "Mounts": ({"key": "a"}, ["bind"], MOUNTS),
    "Stat": ({"key": "a"}, {"name": "a"}, INFO),
    "Update": ({"info": InfoMessage(name="a")}, None, INFO),
    "Usage": ({"key": "a"}, (1, 2), "a lamina.snapshots.Usage"),
}


@pytest.mark.parametrize("method", CASES)
def test_the_answer_names_the_snapshotter_and_what_it_returned(
    plain: Snapshotter, call: Callable[..., Any], method: str
) -> None:
    fields, returned, expected = CASES[method]
    setattr(plain, method.lower(), lambda *_: returned)
    service = SnapshotsService(Names(snapshotters_of({"theirs": plain}), {})).service
    with pytest.raises(TypeError) as raised:
        call(service, method, snapshotter="theirs", **fields)
    text = f"snapshotter theirs returned {returned!r} where {expected} is expected: report this to the author"
    assert status_of(raised.value) == (Code.UNKNOWN, f"TypeError: {text} of its plugin")


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, "None where an iterator of lamina.snapshots.Info"), (["a"], f"'a' where {INFO}")],
)
def test_so_does_that_to_a_list(
    plain: Snapshotter, call: Callable[..., Any], returned: object, expected: str
) -> None:
    plain.walk = lambda *_: returned
    service = SnapshotsService(Names(snapshotters_of({"theirs": plain}), {})).service
    with pytest.raises(TypeError, match=f"snapshotter theirs returned {expected} is expected"):
        call(service, "List", snapshotter="theirs")


def test_so_does_that_for_an_alias_of_a_snapshotter_without_the_keyspace(
    plain: Snapshotter, call: Callable[..., Any]
) -> None:
    plain.keyspace = lambda _: None
    service = SnapshotsService(Names(snapshotters_of({"theirs": plain}), {"alias": "theirs"})).service
    with pytest.raises(TypeError, match=r"snapshotter theirs returned None where a lamina.snapshots.Snapshotter"):
        call(service, "Stat", snapshotter="alias", key="a")


class WithoutUsage(NativeBackend):
    def finish_quickly(self, record: Record) -> Usage | None:
        return None

    def finish(self, record: Record) -> Usage:
        return (1, 2)


def test_a_commit_names_a_backend_that_measures_nothing(tmp_path: Path) -> None:
    with open_native(tmp_path, WithoutUsage) as native:
        native.prepare("a")
        with pytest.raises(TypeError, match=r"WithoutUsage measured \(1, 2\), which is not a Usage"):
            native.commit("c", "a")
        assert native.stat("a")
