"""The files that a layer brings, in one directory."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument, ResourceExhausted
from lamina.fs import remove_tree
from lamina.layers import Limits
from tests.support import tar
from tests.support.layers import TIME, apply, directory, fifo, file, hard_link, names, symlink
from tests.support.trees import open_files


def test_files_of_each_type_are_made(tmp_path: Path) -> None:
    apply(
        tmp_path,
        directory("d", 0o750),
        file("d/f", b"data", mode=0o640),
        symlink("d/s", "f"),
        hard_link("d/h", "d/f"),
        fifo("d/p", mode=0o600),
    )
    assert (tmp_path / "d/f").read_bytes() == b"data"
    assert os.readlink(tmp_path / "d/s") == "f"
    assert os.path.samefile(tmp_path / "d/h", tmp_path / "d/f")
    modes = {name: (tmp_path / name).lstat().st_mode for name in ("d", "d/f", "d/p")}
    assert modes == {"d": stat.S_IFDIR | 0o750, "d/f": stat.S_IFREG | 0o640, "d/p": stat.S_IFIFO | 0o600}


def test_the_digest_and_the_size_are_those_of_the_archive(tmp_path: Path) -> None:
    entries = file("a", b"x" * 1000), directory("d")
    data = b"".join(entries) + tar.END
    applied = apply(tmp_path, *entries)
    assert applied.diff_id == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (applied.size, applied.entries) == (len(data), 2)


def test_times_have_nanoseconds_and_those_of_directories_are_set_last(tmp_path: Path) -> None:
    apply(
        tmp_path, directory("d", mtime=TIME + 1), file("d/f", mtime=TIME + 2), symlink("d/s", "f", mtime=TIME + 3)
    )
    times = [(tmp_path / name).lstat().st_mtime_ns - TIME for name in ("d", "d/f", "d/s")]
    assert times == [1, 2, 3]


def test_a_directory_that_is_only_implied_keeps_its_attributes(tmp_path: Path) -> None:
    apply(tmp_path, directory("d", 0o1770, mtime=TIME))
    apply(tmp_path, file("d/f"))
    status = (tmp_path / "d").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o1770, TIME)


def test_a_directory_that_is_only_implied_is_made_if_it_is_missing(tmp_path: Path) -> None:
    apply(tmp_path, file("a/b/f", mtime=TIME + 5))
    statuses = [(tmp_path / name).stat() for name in ("a", "a/b")]
    assert {(stat.S_IMODE(status.st_mode), status.st_mtime_ns) for status in statuses} == {(0o755, TIME + 5)}


@pytest.mark.parametrize("umask", [0, 0o77, 0o777])
def test_the_umask_does_not_matter(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        apply(tmp_path, directory("d", 0o777), file("d/f", mode=0o666), file("implied/f"), fifo("d/p", mode=0o622))
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("d", "d/f", "implied", "d/p")]
    assert modes == [0o777, 0o666, 0o755, 0o622]


@pytest.mark.parametrize("name", ["./d/f", "/d/f", "d//f", "d/./f", "d/x/../f", "../d/f", "../../d/../d/f"])
def test_a_path_is_beneath_the_root_whatever_it_looks_like(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    apply(tmp_path / "root", file(name))
    assert names(tmp_path) == ["root", "root/d", "root/d/f"]


def test_a_path_may_go_up_from_a_directory_that_is_known(tmp_path: Path) -> None:
    apply(tmp_path, file("a/b/f"), file("a/b/../g"), symlink("s", "a/b"), file("s/h"), file("s/../i"))
    assert names(tmp_path) == ["a", "a/b", "a/b/f", "a/b/h", "a/g", "i", "s"]


def test_names_need_not_be_text(tmp_path: Path) -> None:
    apply(tmp_path, file(b"\xff\xfe"), symlink(b"s", b"\xff"))
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"s", b"\xff\xfe"]


def test_the_last_entry_of_a_name_counts(tmp_path: Path) -> None:
    apply(tmp_path, file("a", b"1"), file("a", b"2"), directory("b"), file("b/x"), file("b"), directory("b"))
    assert (tmp_path / "a").read_bytes() == b"2"
    assert names(tmp_path) == ["a", "b"]


KINDS = {
    "file": (file("x", b"new"),),
    "directory": (directory("x"),),
    "symlink": (symlink("x", "elsewhere"),),
    "fifo": (fifo("x"),),
    "link": (file("target", b"new"), hard_link("x", "target")),
    "full directory": (directory("x"), file("x/y/z")),
}


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
def test_an_entry_replaces_what_has_its_name(tmp_path: Path, old: str, new: str) -> None:
    replaced, fresh = tmp_path / "replaced", tmp_path / "fresh"
    for root in (replaced, fresh):
        root.mkdir()
    apply(replaced, *KINDS[old])
    apply(replaced, *KINDS[new])
    apply(fresh, *KINDS[new])
    merges = old == "full directory" and new == "directory"
    found = set(names(replaced)) - {"target"}
    assert found == set(names(fresh)) - {"target"} | ({"x/y", "x/y/z"} if merges else set())
    assert stat.S_IFMT((replaced / "x").lstat().st_mode) == stat.S_IFMT((fresh / "x").lstat().st_mode)


def test_a_directory_that_replaces_a_symlink_leaves_its_target_alone(tmp_path: Path) -> None:
    apply(tmp_path, directory("real", 0o700), symlink("x", "real"))
    apply(tmp_path, directory("x", 0o755), file("x/f"))
    assert names(tmp_path) == ["real", "x", "x/f"]
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o700


def test_symlinks_on_the_way_to_an_entry_are_followed_in_the_tree(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    apply(root, directory("usr/lib"), symlink("lib", "usr/lib"), symlink("abs", "/usr"), symlink("up", "../usr"))
    apply(root, file("lib/a"), file("abs/lib/b"), file("up/lib/c"), file("lib/../lib/d"))
    assert names(root / "usr/lib") == ["a", "b", "c", "d"]
    assert os.listdir(tmp_path) == ["root"]


def test_a_symlink_to_a_directory_that_is_missing_has_it_made(tmp_path: Path) -> None:
    apply(tmp_path, symlink("lib", "usr/lib"), file("lib/f"))
    assert names(tmp_path) == ["lib", "usr", "usr/lib", "usr/lib/f"]


def test_symlinks_that_go_round_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="more than 40 symbolic links"):
        apply(tmp_path, symlink("a", "b"), symlink("b", "a"), file("a/f"))


def test_nothing_lies_below_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="a/b is not a directory"):
        apply(tmp_path, file("a/b"), file("a/b/c/d"))


def test_a_changed_symlink_leads_elsewhere_from_then_on(tmp_path: Path) -> None:
    apply(tmp_path, directory("a"), directory("b"), symlink("s", "a"), file("s/1"), symlink("s", "b"), file("s/2"))
    assert names(tmp_path) == ["a", "a/1", "b", "b/2", "s"]


def test_a_directory_that_was_replaced_gets_its_entries_in_the_new_one(tmp_path: Path) -> None:
    apply(tmp_path, file("a/b/1"), file("a"), directory("a"), file("a/b/2"))
    assert names(tmp_path) == ["a", "a/b", "a/b/2"]


def test_a_hard_link_is_to_a_symlink_and_not_to_its_target(tmp_path: Path) -> None:
    apply(tmp_path, file("f"), symlink("s", "f"), hard_link("h", "s"))
    assert os.readlink(tmp_path / "h") == "f"
    assert (tmp_path / "h").lstat().st_ino == (tmp_path / "s").lstat().st_ino


def test_a_hard_link_to_itself_changes_nothing(tmp_path: Path) -> None:
    apply(tmp_path, file("d/f", b"data"), hard_link("d/f", "d/f"))
    assert (tmp_path / "d/f").read_bytes() == b"data"


def test_a_hard_link_to_a_file_of_an_earlier_layer_works(tmp_path: Path) -> None:
    apply(tmp_path, file("a/f", b"data"))
    apply(tmp_path, hard_link("b/h", "a/f"))
    assert os.path.samefile(tmp_path / "a/f", tmp_path / "b/h")


@pytest.mark.parametrize("target", ["missing", "d/missing", "d", "", "/", ".."])
def test_a_hard_link_to_what_is_no_file_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(InvalidArgument, match=r"which (does not exist|is a directory)|linkpath"):
        apply(tmp_path, directory("d"), hard_link("h", target))


def test_a_hard_link_may_replace_the_symlink_that_leads_to_its_target(tmp_path: Path) -> None:
    apply(tmp_path, file("d/f", b"data"), symlink("s", "d"), hard_link("s", "s/f"))
    assert os.path.samefile(tmp_path / "s", tmp_path / "d/f")


def test_a_hard_link_cannot_replace_the_directory_of_its_target(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="d is a hard link to d/e/f, which lies below it"):
        apply(tmp_path, file("d/e/f"), hard_link("d", "d/e/f"))


@pytest.mark.parametrize("name", [".", "./", "/", "..", "a/.."])
def test_an_entry_for_the_root_sets_its_attributes(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir(0o700)
    apply(tmp_path / "root", directory(name, 0o751, mtime=TIME), file("f"))
    status = (tmp_path / "root").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o751, TIME)


@pytest.mark.parametrize("item", [file("."), symlink("./", "/etc"), fifo("/"), hard_link("..", "f")])
def test_a_root_that_is_no_directory_is_refused(tmp_path: Path, item: bytes) -> None:
    with pytest.raises(InvalidArgument, match="the root of the tree"):
        apply(tmp_path, file("f"), item)


def test_more_directories_than_stay_open_are_possible(tmp_path: Path) -> None:
    before = open_files()
    entries = [directory(f"d{number}", mtime=TIME + number) for number in range(300)]
    apply(tmp_path, *entries, *(file(f"d{number % 300}/f{number}") for number in range(0, 3000, 7)))
    assert open_files() == before
    assert [(tmp_path / f"d{number}").stat().st_mtime_ns - TIME for number in range(300)] == list(range(300))


def test_a_path_may_be_as_deep_as_a_path_can_be(tmp_path: Path) -> None:
    name = "/".join(["d"] * 600)
    apply(tmp_path, file(f"{name}/f"), file(f"{name}/g"), hard_link("h", f"{name}/f"))
    assert (tmp_path / "h").stat().st_nlink == 2
    remove_tree(str(tmp_path / "d"))  # for pytest, which could not


def test_the_number_of_entries_is_limited(tmp_path: Path) -> None:
    with pytest.raises(ResourceExhausted, match="more than 2 entries"):
        apply(tmp_path, file("a"), file("b"), file("c"), limits=Limits(entries=2))
    assert names(tmp_path) == ["a", "b"]


def test_the_bytes_are_limited_before_they_are_written(tmp_path: Path) -> None:
    with pytest.raises(ResourceExhausted, match="with b it has more than 10 bytes"):
        apply(tmp_path, file("a", b"x" * 10), file("b", b"x"), limits=Limits(bytes=10))
    assert names(tmp_path) == ["a"]


def test_nothing_stays_open_after_an_error(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(InvalidArgument):
        apply(tmp_path, file("a/b/c"), hard_link("h", "missing"))
    assert open_files() == before
