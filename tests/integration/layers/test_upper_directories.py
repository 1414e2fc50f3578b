"""What is in an upper directory, and what it takes from the layers below."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import InvalidArgument
from lamina.layers import Applied, ParentNeeded, Whiteouts
from tests.support.layers import (
    TIME,
    Item,
    apply,
    device,
    directory,
    file,
    hard_link,
    names,
    opaque,
    symlink,
    whiteout,
)

pytestmark = pytest.mark.requires("root")


@attrs.frozen
class Layers:
    """A parent, and an empty upper directory on it."""

    parent: Path
    upper: Path

    def apply(self, *entries: Item) -> Applied:
        return apply(self.upper, *entries, whiteouts=Whiteouts.OVERLAY, parent=self.parent)

    def apply_without_parent(self, *entries: Item) -> Applied:
        return apply(self.upper, *entries, whiteouts=Whiteouts.OVERLAY)


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    for name in ("parent", "upper"):
        (tmp_path / name).mkdir(mode=0o755)
    apply(
        tmp_path / "parent",
        directory("tmp", 0o1777, mtime=TIME, gid=5, xattrs={"user.x": b"1"}),
        directory("usr/lib"),
        symlink("lib", "usr/lib"),
        file("usr/lib/a", b"data", mode=0o4751, uid=3, mtime=TIME - 5, xattrs={"user.y": b"2"}),
        hard_link("usr/lib/b", "usr/lib/a"),
        symlink("usr/lib/s", "a"),
    )
    return Layers(tmp_path / "parent", tmp_path / "upper")


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    return "trusted.overlay.opaque" in os.listxattr(path)


def test_a_directory_that_is_only_implied_copies_the_attributes_of_the_parent(layers: Layers) -> None:
    layers.apply(file("tmp/f"))
    status = (layers.upper / "tmp").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns, status.st_gid) == (0o1777, TIME, 5)
    assert os.getxattr(layers.upper / "tmp", "user.x") == b"1"


def test_a_symlink_of_the_parent_leads_to_a_directory_of_the_upper_one(layers: Layers) -> None:
    layers.apply(file("lib/foo"))
    assert names(layers.upper) == ["usr", "usr/lib", "usr/lib/foo"]


@pytest.mark.parametrize("hides", [directory("lib"), file("lib"), whiteout("lib"), opaque("")])
def test_a_symlink_of_the_parent_leads_nowhere_once_it_is_hidden(layers: Layers, hides: Item) -> None:
    layers.apply(file("lib/old"), hides, directory("lib"), file("lib/new"))
    assert [name for name in names(layers.upper) if name.endswith(("old", "new"))] == ["lib/new", "usr/lib/old"]


def test_a_symlink_in_a_directory_of_the_parent_leads_nowhere_once_that_is_hidden(layers: Layers) -> None:
    apply(layers.parent, symlink("d/l", "../tmp"))
    layers.apply(file("d/l/old"), opaque("d"), file("d/l/new"))
    assert names(layers.upper) == ["d", "d/l", "d/l/new", "tmp", "tmp/old"]


def test_a_link_to_a_file_of_the_parent_has_it_copied_up_with_its_attributes(layers: Layers) -> None:
    layers.apply(hard_link("x", "usr/lib/a"), hard_link("y", "usr/lib/b"), hard_link("z", "x"))
    status = (layers.upper / "x").stat()
    assert (status.st_nlink, stat.S_IMODE(status.st_mode), status.st_uid) == (5, 0o4751, 3)
    assert status.st_mtime_ns == TIME - 5
    assert (layers.upper / "usr/lib/b").read_bytes() == b"data"
    assert os.getxattr(layers.upper / "x", "user.y") == b"2"


def test_a_file_of_the_parent_stays_one_file_under_all_names_that_show(layers: Layers) -> None:
    apply(layers.parent, file("one", b"x"), *(hard_link(name, "one") for name in ("d/two", "gone", "usr/three")))
    layers.apply(whiteout("gone"), file("usr/three"), hard_link("new", "one"))
    inode = (layers.upper / "new").stat().st_ino
    same = [name for name in names(layers.upper) if (layers.upper / name).stat().st_ino == inode]
    assert same == ["d/two", "new", "one"]


def test_a_link_to_a_symlink_of_the_parent_copies_the_symlink(layers: Layers) -> None:
    layers.apply(hard_link("x", "lib/s"))
    assert os.readlink(layers.upper / "x") == os.readlink(layers.upper / "usr/lib/s") == "a"


def test_a_link_to_what_the_layer_deleted_is_refused(layers: Layers) -> None:
    with pytest.raises(InvalidArgument, match="does not exist"):
        layers.apply(whiteout("usr/lib/a"), hard_link("x", "usr/lib/a"))


def test_deletions_are_whiteouts_and_opaque_directories(layers: Layers) -> None:
    layers.apply(whiteout("tmp"), whiteout("lib/a"), opaque("usr/lib"))
    assert is_whiteout(layers.upper / "tmp")
    assert is_opaque(layers.upper / "usr/lib")
    assert not is_opaque(layers.upper / "usr")
    assert names(layers.upper) == ["tmp", "usr", "usr/lib"]  # nothing shows through an opaque directory


def test_nothing_is_made_for_what_the_parent_does_not_have(layers: Layers) -> None:
    layers.apply(whiteout("missing"), directory("new"), whiteout("new/x"))
    assert names(layers.upper) == ["new"]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_directory_that_is_deleted_and_brought_hides_the_old_one(layers: Layers, is_first: bool) -> None:
    entries = whiteout("usr"), file("usr/new")
    layers.apply(*(entries if is_first else reversed(entries)))
    assert is_opaque(layers.upper / "usr")
    assert names(layers.upper) == ["usr", "usr/new"]


def test_a_directory_after_a_file_of_its_name_hides_the_old_one(layers: Layers) -> None:
    layers.apply(file("usr"), directory("usr"), file("usr/lib/x"))
    assert is_opaque(layers.upper / "usr")
    assert names(layers.upper) == ["usr", "usr/lib", "usr/lib/x"]


def test_an_opaque_root_hides_each_name_of_the_parent(layers: Layers) -> None:
    layers.apply(directory("tmp"), file("lib"), opaque(""))
    assert is_whiteout(layers.upper / "usr")
    assert is_opaque(layers.upper / "tmp")
    assert (layers.upper / "lib").is_file()


@pytest.mark.parametrize(
    "entries",
    [
        [file("tmp/f")],
        [hard_link("x", "usr/lib/a")],
        [whiteout("tmp/x")],
        [opaque("tmp")],
        [opaque("")],
        [directory("usr"), file("usr/lib/x")],
    ],
)
def test_a_layer_that_needs_the_parent_says_so(layers: Layers, entries: list[Item]) -> None:
    with pytest.raises(ParentNeeded, match="of the layers below is needed"):
        layers.apply_without_parent(*entries)


def test_a_layer_that_has_entries_for_its_directories_does_not_need_the_parent(layers: Layers) -> None:
    applied = layers.apply_without_parent(
        directory("."), directory("tmp"), file("tmp/f"), hard_link("x", "tmp/f"), directory("d"), opaque("d")
    )
    assert not applied.has_unchecked_whiteouts
    assert layers.apply_without_parent(whiteout("usr")).has_unchecked_whiteouts


@pytest.mark.parametrize("prefix", ["trusted.overlay.", "user.overlay."])
@pytest.mark.parametrize("make", [file, directory, symlink])
def test_marks_of_overlayfs_are_refused(layers: Layers, prefix: str, make: type) -> None:
    fields = {"target": "x"} if make is symlink else {}
    with pytest.raises(InvalidArgument, match="overlayfs keeps for itself"):
        layers.apply(make("x", xattrs={f"{prefix}opaque": b"y"}, **fields))
    assert names(layers.upper) == []


def test_a_device_that_overlayfs_would_take_for_a_deletion_is_refused(layers: Layers) -> None:
    with pytest.raises(InvalidArgument, match="reads as a deletion"):
        layers.apply(device("usr", 0, 0))
    assert names(layers.upper) == []
