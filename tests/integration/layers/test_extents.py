"""Files of a btrfs whose extents show that their content is the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.fs import opened
from lamina.layers.comparing._extents import are_on_one_btrfs, share_data
from tests.support.comparing import changes, shown
from tests.support.snapshotters.btrfs import mounted_btrfs, run

pytestmark = pytest.mark.requires("root", "btrfs", "loop")

SIZE = 1 << 20


@pytest.fixture(scope="module")
def mountpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with mounted_btrfs(tmp_path_factory.mktemp("extents")) as path:
        yield path


@pytest.fixture
def trees(mountpoint: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A subvolume, and its snapshot."""
    directory = mountpoint / str(request.node.name)
    directory.mkdir()
    run("btrfs", "subvolume", "create", directory / "old")
    (directory / "old/file").write_bytes(os.urandom(SIZE))
    run("btrfs", "subvolume", "snapshot", directory / "old", directory / "new")
    return directory / "old", directory / "new"


def share(one: Path, other: Path) -> bool:
    with opened(one, os.O_RDONLY) as fd, opened(other, os.O_RDONLY) as second:
        return share_data(fd, second)


def test_a_file_shares_its_data_with_that_of_a_snapshot(trees: tuple[Path, Path]) -> None:
    assert share(trees[0] / "file", trees[1] / "file")
    assert changes(*map(shown, trees)) == []


def test_data_that_was_only_just_written_counts(trees: tuple[Path, Path]) -> None:
    path = trees[1] / "file"
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(SIZE // 2)
        file.write(b"changed")
        file.flush()
        os.utime(path, ns=(0, status.st_mtime_ns))
        assert not share(trees[0] / "file", path)
        assert changes(*map(shown, trees)) == [("modify", "file")]


def test_a_file_that_was_written_again_is_the_same_without_sharing_data(trees: tuple[Path, Path]) -> None:
    path = trees[1] / "file"
    status = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(0, status.st_mtime_ns))
    assert not share(trees[0] / "file", path)
    assert changes(*map(shown, trees)) == []


def test_small_and_compressed_files_do_not_tell(trees: tuple[Path, Path]) -> None:
    small = trees[0] / "small"
    small.write_bytes(b"x")  # stored with the metadata
    compressed = trees[0] / "compressed"
    compressed.touch()
    run("btrfs", "property", "set", compressed, "compression", "zstd")
    compressed.write_bytes(bytes(range(256)) * 4096)
    for path in (small, compressed):
        assert not share(path, path)


def test_holes_and_reserved_space_are_alike_only_in_the_same_place(trees: tuple[Path, Path]) -> None:
    sparse, other = trees[0] / "sparse", trees[0] / "other"
    for path in (sparse, other):
        path.touch()
        os.truncate(path, SIZE)
    assert share(sparse, other)
    with opened(other, os.O_WRONLY) as fd:
        os.posix_fallocate(fd, 0, SIZE)
    assert not share(sparse, other)


def test_another_file_system_is_not_the_same(trees: tuple[Path, Path], tmp_path: Path) -> None:
    with opened(trees[0], os.O_RDONLY) as old, opened(trees[1], os.O_RDONLY) as new:
        assert are_on_one_btrfs(old, new)
        with opened(tmp_path, os.O_RDONLY) as elsewhere:
            assert not are_on_one_btrfs(old, elsewhere)
            assert not are_on_one_btrfs(elsewhere, elsewhere)
