"""The mounts of any snapshot, for the time of a block."""

from __future__ import annotations

import contextlib
import os

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, NotFound
from lamina.mount import Mount, is_read_only, temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.temporary import LABEL, Owner, remove_leftovers, temporary_mounts

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def owner() -> Owner:
    return Owner()


def commit_base(overlay: LocalSnapshotter) -> None:
    with temporary_mount(overlay.prepare("work")) as path:
        os.mkdir(f"{path}/etc")
    overlay.commit("base", "work")


def keys(overlay: LocalSnapshotter) -> list[str]:
    return [info.name for info in overlay.walk()]


def test_a_committed_snapshot_is_viewed_and_the_view_removed(overlay: LocalSnapshotter, owner: Owner) -> None:
    commit_base(overlay)
    with temporary_mounts(overlay, "base", owner) as mounts:
        view = overlay.stat(keys(overlay)[-1])
        assert (view.parent, view.labels) == ("base", {LABEL: owner.label})
        assert all(map(is_read_only, mounts))
        remove_leftovers(overlay, owner)
        assert len(keys(overlay)) == 2, "it is in use"
    assert keys(overlay) == ["base"]


def test_active_snapshots_and_views_keep_their_own_mounts(overlay: LocalSnapshotter, owner: Owner) -> None:
    active, view = overlay.prepare("active"), overlay.view("view")
    for key, own in (("active", active), ("view", view)):
        with temporary_mounts(overlay, key, owner) as mounts:
            assert mounts == own
    assert keys(overlay) == ["active", "view"]


def test_no_name_has_no_mounts(overlay: LocalSnapshotter, owner: Owner) -> None:
    nothing: list[Mount] = []
    with temporary_mounts(overlay, "", owner) as mounts:
        assert mounts == nothing


def test_a_missing_snapshot_is_told(overlay: LocalSnapshotter, owner: Owner) -> None:
    with pytest.raises(NotFound), temporary_mounts(overlay, "missing", owner):
        pass


def test_the_view_is_removed_when_the_block_fails_or_its_call_ends(
    overlay: LocalSnapshotter, owner: Owner
) -> None:
    commit_base(overlay)
    context = CallContext()
    with use(context), contextlib.suppress(Canceled), temporary_mounts(overlay, "base", owner):
        context.cancel()
        context.check()
    assert keys(overlay) == ["base"]
