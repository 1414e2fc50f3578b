"""Resolution of snapshotter names."""

from __future__ import annotations

import pytest

from lamina.errdefs import InvalidArgument, ResourceExhausted, SkipPlugin, Unavailable, Unimplemented
from lamina.plugin import Status
from lamina.plugins.services.snapshots._names import Names, Snapshotters
from tests.support.snapshotters.records import broken, snapshotters_of, working

BTRFS = broken("btrfs", Status.SKIPPED, SkipPlugin("not a btrfs"))


@pytest.fixture
def names(overlay, plain):
    zfs = broken("zfs", Status.FAILED, OSError("no device"))
    snapshotters = snapshotters_of({"overlayfs": overlay, "plain": plain}, BTRFS, zfs)
    return Names(snapshotters, {"lamina": "overlayfs", "fast": "btrfs", "gone": "erofs"})


def refusal(names, name):
    with pytest.raises(InvalidArgument) as caught:
        names.find(name)
    return str(caught.value)


def test_a_plugin_id_is_the_snapshotter_itself(names, overlay):
    assert names.find("overlayfs") is overlay


@pytest.mark.parametrize("alias", ["lamina", "lamina-overlayfs"])
def test_an_alias_is_a_keyspace_of_the_same_snapshotter(names, overlay, alias):
    names.find(alias).prepare("key")
    assert [info.name for info in names.find(alias).walk()] == ["key"]
    assert list(overlay.walk()) == []
    assert [info.name for info in overlay.keyspace(alias).walk()] == ["key"]


def test_two_aliases_share_no_keys(names):
    names.find("lamina").prepare("key")
    names.find("lamina-overlayfs").prepare("key")
    names.find("lamina").remove("key")
    assert names.find("lamina-overlayfs").stat("key").name == "key"


def test_an_alias_of_a_snapshotter_with_one_keyspace_is_refused_instead_of_shared(names):
    assert names.find("plain").prepare("key") == []
    with pytest.raises(Unimplemented, match=r"lamina-plain is an alias of plain: .*: use the name plain"):
        names.find("lamina-plain")


@pytest.mark.parametrize(
    ("aliases", "working", "preferred"),
    [
        (
            {"gone": "erofs", "fast": "btrfs", "plain-too": "plain", "ours": "overlayfs"},
            ("plain", "overlayfs"),
            "ours",
        ),
        ({"gone": "erofs"}, ("plain", "overlayfs"), "lamina-overlayfs"),
        ({"gone": "erofs"}, ("plain",), "plain"),
        ({"gone": "erofs"}, (), ""),
    ],
)
def test_the_preferred_name_works_and_has_its_own_keyspace_if_possible(
    overlay, plain, aliases, working, preferred
):
    snapshotters = {"overlayfs": overlay, "plain": plain}
    names = Names(snapshotters_of({id_: snapshotters[id_] for id_ in working}, BTRFS), aliases)
    assert names.preferred() == preferred


def test_the_names_of_a_snapshotter_are_its_aliases_in_order_and_its_default(overlay):
    names = Names(snapshotters_of({"overlayfs": overlay}), {"b": "overlayfs", "gone": "erofs", "a": "overlayfs"})
    assert names.by_snapshotter() == {"overlayfs": ["b", "a", "lamina-overlayfs"]}


def test_an_alias_equal_to_a_default_name_is_listed_once(overlay):
    names = Names(snapshotters_of({"overlayfs": overlay}), {"lamina-overlayfs": "overlayfs"})
    assert names.by_snapshotter() == {"overlayfs": ["lamina-overlayfs"]}


def test_a_snapshotter_with_one_keyspace_has_its_id_for_a_name(plain):
    assert Names(snapshotters_of({"plain": plain}), {"p": "plain"}).by_snapshotter() == {"plain": ["plain"]}


def test_an_empty_name_is_refused(names):
    assert refusal(names, "") == "snapshotter argument missing"


def test_an_unknown_name_is_refused_with_the_known_ones(names):
    known = "lamina, lamina-overlayfs, lamina-plain, overlayfs, plain"
    assert refusal(names, "native") == f"snapshotter not loaded: native (loaded: {known})"


def test_a_failed_snapshotter_is_refused_with_the_reason(names):
    assert refusal(names, "zfs") == "snapshotter not loaded: zfs: OSError: no device"
    assert refusal(names, "lamina-btrfs") == (
        "snapshotter not loaded: lamina-btrfs: alias of btrfs: skipped: not a btrfs"
    )


def test_an_alias_of_a_failed_snapshotter_is_kept_with_the_reason(names):
    assert refusal(names, "fast") == "snapshotter not loaded: fast: alias of btrfs: skipped: not a btrfs"


def test_an_alias_of_an_unknown_snapshotter_is_kept_with_the_reason(names):
    assert refusal(names, "gone") == "snapshotter not loaded: gone: alias of erofs: not installed, or disabled"


@pytest.mark.parametrize("other", ["plain", "btrfs"])
def test_an_alias_cannot_be_the_id_of_another_snapshotter_working_or_not(overlay, plain, other):
    snapshotters = snapshotters_of({"overlayfs": overlay, "plain": plain}, BTRFS)
    with pytest.raises(InvalidArgument, match=f"{other} = 'overlayfs': {other} is the id of another snapshotter"):
        Names(snapshotters, {other: "overlayfs"})


def test_an_alias_cannot_be_empty(overlay):
    with pytest.raises(InvalidArgument, match="cannot be empty"):
        Names(snapshotters_of({"overlayfs": overlay}), {"": "overlayfs"})


def test_an_alias_cannot_be_a_keyspace_of_images(overlay):
    """The snapshots of its clients would be collected."""
    with pytest.raises(InvalidArgument, match="such keyspaces are those of images"):
        Names(snapshotters_of({"overlayfs": overlay}), {"images/default": "overlayfs"})


def test_an_alias_may_repeat_its_own_snapshotter_s_id(overlay):
    names = Names(snapshotters_of({"overlayfs": overlay}), {"overlayfs": "overlayfs"})
    assert names.find("overlayfs") is overlay


def test_snapshotters_are_a_mapping_of_those_that_work(overlay):
    snapshotters = snapshotters_of({"overlayfs": overlay}, BTRFS)
    assert dict(snapshotters) == {"overlayfs": overlay}
    assert len(snapshotters) == 1
    assert "btrfs" not in snapshotters


@pytest.fixture
def waiting():
    """A list with the record of a snapshotter that is tried again."""
    return [broken("overlayfs", Status.FAILED, ResourceExhausted("disk full"), retrying=True)]


@pytest.mark.parametrize(("name", "said"), [("overlayfs", ""), ("lamina-overlayfs", ": alias of overlayfs")])
def test_a_retried_snapshotter_is_unavailable_with_the_reason(waiting, name, said):
    names = Names(Snapshotters(lambda: waiting), {})
    with pytest.raises(Unavailable) as caught:
        names.find(name)
    assert str(caught.value) == f"snapshotter not loaded: {name}{said}: disk full; it is being retried"
    assert names.preferred() == ""


def test_a_snapshotter_that_comes_up_later_has_all_its_names(waiting, overlay):
    names = Names(Snapshotters(lambda: waiting), {"ours": "overlayfs"})
    waiting[:] = [working("overlayfs", overlay)]
    assert names.find("overlayfs") is overlay
    assert list(names.find("ours").walk()) == []
    assert names.preferred() == "ours"
    assert names.by_snapshotter() == {"overlayfs": ["ours", "lamina-overlayfs"]}


def test_there_is_an_outage_while_no_snapshotter_works_and_one_is_tried_again(waiting, plain):
    snapshotters = Snapshotters(lambda: waiting)
    assert snapshotters.outage() == "io.containerd.snapshotter.v1.overlayfs: disk full"
    waiting.append(working("plain", plain))
    assert snapshotters.outage() == ""


@pytest.mark.parametrize("name", ["overlayfs", "lamina", "lamina-overlayfs"])
def test_each_name_leads_to_every_keyspace_of_its_snapshotter(names, overlay, name):
    names.find(f"{name}/images/default").prepare("key")
    assert [info.name for info in overlay.keyspace("images/default").walk()] == ["key"]
    assert list(overlay.walk()) == []
    assert list(overlay.keyspace("lamina").walk()) == []


def test_an_alias_with_a_slash_is_an_alias(overlay):
    names = Names(snapshotters_of({"overlayfs": overlay}), {"overlayfs/x": "overlayfs"})
    names.find("overlayfs/x").prepare("key")
    assert [info.name for info in overlay.keyspace("overlayfs/x").walk()] == ["key"]


def test_a_keyspace_of_a_snapshotter_with_one_keyspace_is_refused(names):
    with pytest.raises(Unimplemented, match=r"^plain: keyspace 'images/a': .*: use the name plain$"):
        names.find("plain/images/a")


@pytest.mark.parametrize("name", ["overlayfs/", "overlayfs/a\0b", f"overlayfs/{'a' * 129}"])
def test_a_malformed_keyspace_is_refused(names, name):
    assert refusal(names, name).startswith("keyspace name ")


def test_a_keyspace_of_an_unknown_snapshotter_is_refused_with_the_known_ones(names):
    assert refusal(names, "native/images/a").startswith("snapshotter not loaded: native (loaded: lamina, ")
    assert refusal(names, "/images/a") == "snapshotter argument missing"
