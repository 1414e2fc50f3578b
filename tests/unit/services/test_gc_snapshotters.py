"""The snapshotters in which a collection looks."""

from __future__ import annotations

import pytest

from lamina.errdefs import SkipPlugin, Unavailable
from lamina.plugin import Plugin, PluginType, Status
from lamina.plugins.gc._snapshotters import snapshotters

WORKING = Plugin(type=PluginType.SNAPSHOTTER, id="overlayfs", status=Status.OK, instance=object())
SKIPPED = Plugin(type=PluginType.SNAPSHOTTER, id="btrfs", status=Status.SKIPPED, error=SkipPlugin("no btrfs here"))
FAILED = Plugin(type=PluginType.SNAPSHOTTER, id="remote", status=Status.FAILED, error=OSError("no disk"))
OTHER = Plugin(type=PluginType.CONTENT, id="content", status=Status.FAILED, error=OSError("no disk"))


def test_those_that_do_not_apply_are_passed_over() -> None:
    assert list(snapshotters([SKIPPED, OTHER, WORKING])) == [("overlayfs", WORKING.instance)]


def test_one_that_does_not_work_is_an_error_after_the_others() -> None:
    """Nobody knows what its snapshots need."""
    found = snapshotters([FAILED, WORKING])
    assert next(found) == ("overlayfs", WORKING.instance)
    with pytest.raises(Unavailable, match=r"snapshotter remote does not work: .*no disk"):
        next(found)
