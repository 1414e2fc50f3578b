"""Overlays are compared by what lies on top, with the same result as a walk through both trees."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import FailedPrecondition
from lamina.mount import Mount, temporary_mount
from tests.support import tar
from tests.support.comparing import changes, layer, shown

pytestmark = pytest.mark.requires("root", "overlay")


@attrs.frozen
class Layers:
    """A lower directory, and an overlay on it."""

    lower: Path
    upper: Path
    work: Path

    def mounts(self, *options: str) -> list[Mount]:
        directories = f"lowerdir={self.lower}", f"upperdir={self.upper}", f"workdir={self.work}"
        return [Mount("overlay", "overlay", (*directories, *options))]

    @contextmanager
    def mounted(self, *options: str) -> Iterator[Path]:
        with temporary_mount(self.mounts(*options)) as root:
            yield Path(root)

    def changes(self, *options: str) -> list[tuple[str, str]]:
        """What differs, after making sure that a walk gives the same layer."""
        self.archive(*options)
        return changes(shown(self.lower), self.mounts(*options))

    def archive(self, *options: str) -> tar.Archived:
        archive = layer(shown(self.lower), self.mounts(*options))
        with temporary_mount(self.mounts(*options), read_only=True) as root:
            assert layer(shown(self.lower), shown(Path(root))) == archive
        return tar.read(archive)


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    found = Layers(tmp_path / "lower", tmp_path / "upper", tmp_path / "work")
    for directory in (found.lower, found.upper, found.work, found.lower / "dir", found.lower / "dir/below"):
        directory.mkdir()
    for name in ("a", "b", "dir/file", "dir/below/leaf"):
        (found.lower / name).write_text(name)
    for name in ("dir/one", "two", "zero"):
        os.link(found.lower / "a", found.lower / name)
    return found


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, 0)


def test_what_is_as_before_does_not_differ(layers: Layers) -> None:
    with layers.mounted() as root:
        (root / "b").rename(root / "x")
        (root / "x").rename(root / "b")
        status = (root / "dir/file").stat()
        (root / "dir/file").write_text("dir/file")
        os.utime(root / "dir/file", ns=(0, status.st_mtime_ns))
        (root / "dir/below/new").touch()
        (root / "dir/below/new").unlink()
        os.utime(root / "dir", (1, 1))
        os.chmod(root, stat.S_IMODE(root.stat().st_mode))
    assert sorted(os.listdir(layers.upper)) == ["b", "dir"]
    assert layers.changes() == []


def test_only_the_attributes_of_a_directory_are_written(layers: Layers) -> None:
    with layers.mounted() as root:
        (root / "dir").chmod(0o700)
        os.setxattr(root / "dir/below", "user.x", b"1")
    assert layers.changes() == [("modify", "dir"), ("modify", "dir/below")]
    assert layers.archive().names == [b"dir/", b"dir/below/"]


def test_a_whiteout_is_a_deletion_and_one_for_nothing_is_not(layers: Layers) -> None:
    whiteout(layers.upper / "b")
    whiteout(layers.upper / "nothing")
    (layers.upper / "dir").mkdir(mode=0o755)
    whiteout(layers.upper / "dir/below")
    assert layers.changes() == [("delete", "b"), ("delete", "dir/below")]
    assert layers.archive().names == [b".wh.b", b"dir/", b"dir/.wh.below"]


def test_an_opaque_directory_is_written_as_whiteouts(layers: Layers) -> None:
    with layers.mounted() as root:
        shutil.rmtree(root / "dir")
        (root / "dir/below").mkdir(parents=True)
        (root / "dir/below/new").touch()
    assert os.getxattr(layers.upper / "dir", "trusted.overlay.opaque") == b"y"
    assert layers.changes() == [
        ("delete", "dir/file"),
        ("delete", "dir/one"),
        ("delete", "dir/below/leaf"),
        ("add", "dir/below/new"),
    ]


def test_whiteouts_that_are_attributes_are_deletions(layers: Layers) -> None:
    """An overlay whose upper directory is on an overlay has them (overlayfs.rst, "Nesting overlayfs mounts")."""
    (layers.upper / "dir").mkdir(mode=0o755)
    os.setxattr(layers.upper / "dir", "trusted.overlay.opaque", b"x")
    (layers.upper / "dir/file").touch()
    os.setxattr(layers.upper / "dir/file", "trusted.overlay.whiteout", b"")
    assert layers.changes() == [("delete", "dir/file")]


def test_a_directory_that_shows_another_one_is_walked(layers: Layers) -> None:
    with layers.mounted("redirect_dir=on") as root:
        (root / "dir").rename(root / "moved")
    assert os.getxattr(layers.upper / "moved", "trusted.overlay.redirect") == b"dir"
    found = layers.archive("redirect_dir=on")
    moved = [b"moved/", b"moved/below/", b"moved/below/leaf", b"moved/file", b"moved/one"]
    assert found.names == [b".wh.dir", b"a", *moved, b"two", b"zero"]
    assert {entry.name: entry.link for entry in found.entries if entry.link} == {
        b"moved/one": b"a",
        b"two": b"a",
        b"zero": b"a",
    }


def test_a_file_whose_content_is_below_is_read_there(layers: Layers) -> None:
    with layers.mounted("metacopy=on") as root:
        (root / "b").chmod(0o4711)
        os.link(root / "dir/file", root / "linked")
    assert (layers.upper / "b").read_bytes() != b"b"
    found = layers.archive("metacopy=on")
    content = dict(zip(found.names, found.data, strict=True))
    assert content == {b"b": b"b", b"dir/": b"", b"dir/file": b"dir/file", b"linked": b""}


def test_with_an_index_the_tree_is_the_one_that_a_view_shows(layers: Layers) -> None:
    with layers.mounted("index=on") as root:
        (root / "two").write_text("changed")
    assert layers.changes("index=on") == [("modify", "two")]


def test_marks_in_user_attributes_are_understood(layers: Layers) -> None:
    with layers.mounted("userxattr") as root:
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
    assert os.getxattr(layers.upper / "dir", "user.overlay.opaque") == b"y"
    assert layers.changes("userxattr") == [("delete", "dir/below"), ("delete", "dir/file"), ("delete", "dir/one")]


def test_attributes_that_overlays_keep_for_themselves_are_no_part_of_the_tree(layers: Layers) -> None:
    with layers.mounted() as root:
        os.setxattr(root / "b", "trusted.overlay.opaque", b"y")
        os.setxattr(root / "dir", "trusted.overlay.opaque", b"y")
        os.setxattr(root / "dir", "user.overlay.x", b"y")
    assert layers.changes() == []


def test_a_file_that_was_split_is_written_up_to_one_part(layers: Layers) -> None:
    with layers.mounted() as root:
        os.utime(root / "two", ns=(0, (root / "a").stat().st_mtime_ns))
    found = layers.archive()
    assert [(entry.name, entry.link) for entry in found.entries] == [(b"two", b"")]


def test_names_that_no_upper_directory_has_are_written_if_a_file_was_split(layers: Layers) -> None:
    with layers.mounted() as root:
        os.utime(root / "a", ns=(0, (root / "a").stat().st_mtime_ns))
    found = layers.archive()
    assert [(entry.name, entry.link) for entry in found.entries] == [
        (b"dir/", b""),
        (b"dir/one", b""),
        (b"two", b"dir/one"),
        (b"zero", b"dir/one"),
    ]


def test_several_layers_on_top_are_read(layers: Layers, tmp_path: Path) -> None:
    middle = tmp_path / "middle"
    middle.mkdir(mode=0o755)
    whiteout(middle / "dir")
    (middle / "new").mkdir()
    (middle / "new/x").touch()
    (layers.upper / "dir").mkdir(mode=0o755)  # not opaque, and yet it hides
    (layers.upper / "dir/file").write_text("other")
    whiteout(layers.upper / "new")
    (layers.upper / "b").write_text("changed")
    view = [Mount("overlay", "overlay", (f"lowerdir={layers.upper}:{middle}:{layers.lower}",))]
    found = layer(shown(layers.lower), view)
    with temporary_mount(view) as root:
        assert layer(shown(layers.lower), shown(Path(root))) == found
    assert changes(shown(layers.lower), view) == [
        ("modify", "b"),
        ("delete", "dir/below"),
        ("delete", "dir/one"),
        ("modify", "dir/file"),
    ]


def test_overlays_on_common_layers_are_compared_by_what_each_has_on_top(layers: Layers, tmp_path: Path) -> None:
    other = attrs.evolve(layers, upper=tmp_path / "other", work=tmp_path / "work of other")
    for directory in (other.upper, other.work):
        directory.mkdir(mode=0o755)
    with layers.mounted() as root:
        shutil.rmtree(root / "dir/below")
        (root / "b").write_text("1")
        (root / "zero").unlink()
    with other.mounted() as root:
        (root / "dir/below/new").touch()
        (root / "b").write_text("2")
        (root / "two").chmod(0o600)
    found = layer(layers.mounts(), other.mounts())
    with (
        temporary_mount(layers.mounts(), read_only=True) as one,
        temporary_mount(other.mounts(), read_only=True) as two,
    ):
        assert layer(shown(Path(one)), shown(Path(two))) == found
    assert changes(layers.mounts(), other.mounts()) == [
        ("modify", "a"),
        ("modify", "b"),
        ("add", "dir/below"),
        ("add", "dir/below/leaf"),
        ("add", "dir/below/new"),
        ("modify", "dir/one"),
        ("modify", "two"),
        ("add", "zero"),
    ]


def test_files_on_id_mapped_layers_have_the_owners_that_the_container_sees(layers: Layers) -> None:
    maps = "uidmap=0:100000:1000,5000:7000:1", "gidmap=0:300000:65536"
    os.chown(layers.upper, 100000, 300000)
    with layers.mounted(*maps) as root:
        for name, uid, gid in (("of the container", 100007, 300005), ("another", 7000, 300000), ("foreign", 1, 2)):
            (root / name).touch()
            os.chown(root / name, uid, gid)
        (root / "dir/file").write_text("changed")
        os.chown(root / "b", 100001, 300000)
        (root / "dir/below/leaf").unlink()
    found = tar.read(layer(shown(layers.lower), layers.mounts(*maps)))
    assert {entry.name: (entry.uid, entry.gid) for entry in found.entries} == {
        b"another": (5000, 0),
        b"b": (1, 0),
        b"dir/": (0, 0),
        b"dir/below/": (0, 0),
        b"dir/below/.wh.leaf": (0, 0),
        b"dir/file": (0, 0),
        b"foreign": (65534, 65534),
        b"of the container": (7, 5),
    }


def test_what_files_grant_to_ids_of_no_container_is_left_out(layers: Layers) -> None:
    maps = "uidmap=0:100000:1000", "gidmap=0:100000:1000"
    os.chown(layers.upper, 100000, 100000)
    named = {tag: (struct.pack("<HHI", tag, 4, 100007), struct.pack("<HHI", tag, 4, 7)) for tag in (2, 8)}
    owner, group, *rest = (struct.pack("<HHI", tag, 6, 2**32 - 1) for tag in (1, 4, 16, 32))

    def acl(*user_and_group: bytes) -> bytes:
        users, groups = user_and_group[: len(user_and_group) // 2], user_and_group[len(user_and_group) // 2 :]
        return b"".join((struct.pack("<I", 2), owner, *users, group, *groups, *rest))

    for name, root in (("own", 100000), ("foreign", 0)):
        (layers.upper / name).touch()
        os.chown(layers.upper / name, 100000, 100000)
        capabilities = struct.pack("<6I", 0x03000001, 1 << 10, 0, 0, 0, root)
        os.setxattr(layers.upper / name, "security.capability", capabilities)
        os.setxattr(layers.upper / name, "system.posix_acl_access", acl(*named[2], *named[8]))
    found = {
        entry.name: entry.xattrs for entry in tar.read(layer(shown(layers.lower), layers.mounts(*maps))).entries
    }
    expected = acl(named[2][1], named[8][1])
    assert {name: xattrs[b"system.posix_acl_access"] for name, xattrs in found.items()} == {
        b"own": expected,
        b"foreign": expected,
    }
    assert [name for name, xattrs in found.items() if b"security.capability" in xattrs] == [b"own"]


def test_other_id_mapped_mounts_are_compared_with_the_owners_on_disk(layers: Layers) -> None:
    maps = "uidmap=0:100000:65536", "gidmap=0:100000:65536"
    bind = [Mount("bind", str(layers.lower), (*maps, "rbind", "rw"))]
    view = [Mount("overlay", "overlay", (*maps, f"lowerdir={layers.upper}:{layers.lower}"))]
    (layers.upper / "new").touch()
    assert changes(bind, view) == [("add", "new")]
    assert layer(bind, view) == layer(shown(layers.lower), layers.mounts())


def test_only_what_lies_on_top_is_read(layers: Layers) -> None:
    """Proven by a directory that cannot be read, below."""
    with layers.mounted() as root:
        (root / "dir/file").write_text("changed")
    view = [Mount("overlay", "overlay", (f"lowerdir={layers.upper}:{layers.lower}",))]
    with temporary_mount([Mount("tmpfs", "tmpfs")]) as other:
        (Path(other) / "x").touch()
        subprocess.run(["mount", "--bind", other, layers.lower / "dir/below"], check=True)
        try:
            assert changes(shown(layers.lower), view) == [("modify", "dir/file")]
            with pytest.raises(FailedPrecondition, match="is a mount point; unmount it first"):
                changes([], shown(layers.lower))
        finally:
            subprocess.run(["umount", layers.lower / "dir/below"], check=True)


def test_an_overlay_can_be_compared_while_files_are_made_in_it(layers: Layers) -> None:
    with layers.mounted() as root:
        (root / "dir/new").write_text("1")
        assert layers.changes() == [("add", "dir/new")]
        (root / "dir/newer").write_text("2")
        assert layers.changes() == [("add", "dir/new"), ("add", "dir/newer")]
