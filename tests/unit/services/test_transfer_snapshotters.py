"""The snapshotters to which images are unpacked."""

from __future__ import annotations

import pytest

from lamina.api import names_to_exports
from lamina.errdefs import FailedPrecondition, NotFound, ResourceExhausted, SkipPlugin, Unavailable
from lamina.plugin import Meta, Plugin, PluginType, Status
from lamina.plugins.transfer._snapshotters import Snapshotters
from lamina.plugins.transfer.plugin import exported_names
from tests.support.snapshotters.records import broken, working

BROKEN = broken("overlayfs", Status.SKIPPED, SkipPlugin("no privileges"))


def snapshotters(*plugins: Plugin, default: str = "") -> Snapshotters:
    return Snapshotters(lambda: plugins, default, exported_names)


def test_the_default_is_overlayfs_or_native_or_any_that_works(overlay, plain) -> None:
    zfs, native, overlayfs = working("zfs", plain), working("native", plain), working("overlayfs", overlay)
    assert snapshotters(zfs, native, overlayfs).destination("").snapshotter is overlay
    assert snapshotters(zfs, native, BROKEN).destination("").name == "native"
    assert snapshotters(zfs, BROKEN).destination("").name == "zfs"
    assert snapshotters(zfs, native, overlayfs, default="zfs").destination("").name == "zfs"


def test_layers_are_unpacked_side_by_side_if_the_snapshotter_rebases(overlay) -> None:
    rebases = Plugin(
        type=PluginType.SNAPSHOTTER, id="overlayfs", instance=overlay, meta=Meta(capabilities=["rebase"])
    )
    assert snapshotters(rebases).destination("overlayfs").rebases
    assert not snapshotters(working("overlayfs", overlay)).destination("overlayfs").rebases


def test_an_unknown_snapshotter_is_refused_with_the_nearest_or_those_that_work(plain) -> None:
    found = snapshotters(working("native", plain), BROKEN)
    with pytest.raises(NotFound, match=r"^no snapshotter 'nativ': did you mean native\?$"):
        found.destination("nativ")
    with pytest.raises(NotFound, match=r"^no snapshotter 'native/images/default': did you mean native\?$"):
        found.destination("native/images/default")
    with pytest.raises(NotFound, match=r"^no snapshotter 'zfs': known are native$"):
        found.destination("zfs")


def test_the_other_names_of_a_snapshotter_are_known(overlay, plain) -> None:
    exports = {"snapshotter": "lamina", **names_to_exports({"overlayfs": ["lamina", "lamina-overlayfs"]}, {})}
    service = Plugin(type=PluginType.GRPC, id="snapshots", meta=Meta(exports=exports))
    found = snapshotters(working("native", plain), working("overlayfs", overlay), service)
    for name in ("overlayfs", "lamina", "lamina-overlayfs"):
        destination = found.destination(name)
        assert (destination.name, destination.snapshotter) == ("overlayfs", overlay)
    with pytest.raises(NotFound, match=r"^no snapshotter 'lamin': did you mean lamina\?$"):
        found.destination("lamin")


def test_a_snapshotter_that_does_not_work_is_refused_with_the_reason(plain) -> None:
    with pytest.raises(FailedPrecondition, match=r"^snapshotter overlayfs: skipped: no privileges$"):
        snapshotters(working("native", plain), BROKEN).destination("overlayfs")
    with pytest.raises(FailedPrecondition, match="no snapshotter works"):
        snapshotters(BROKEN).destination("")


def test_a_retried_snapshotter_is_unavailable() -> None:
    retried = broken("overlayfs", Status.FAILED, ResourceExhausted("disk full"), retrying=True)
    with pytest.raises(Unavailable, match="disk full; it is being retried"):
        snapshotters(retried).destination("overlayfs")
