"""A data root that is missing, or a mount point whose file system is not mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, Unavailable
from lamina.snapshots import Kind
from lamina.snapshots.local import open_data_root
from lamina.snapshots.recovery import Places, rebuild
from tests.support.snapshotters.native import open_native
from tests.support.trees import open_files


def empty(root: Path) -> None:
    for entry in root.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def foreign(root: Path) -> None:
    """Put the new data root of another metastore in its place."""
    empty(root)
    for name in ("snapshots", "records", "trash"):
        (root / name).mkdir(mode=0o700)
    (root / "uuid").write_text("00000000-0000-4000-8000-000000000000 1\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with a committed snapshot and an active one."""
    with open_native(tmp_path) as native:
        native.prepare("making")
        native.commit("base", "making")
        native.prepare("work", "base")
    return tmp_path / "native"


def tree(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.rglob("*"))


@pytest.mark.parametrize("take_away", [shutil.rmtree, empty, foreign])
def test_a_data_root_that_lacks_all_data_is_refused_for_a_while_and_not_written_to(
    root: Path, tmp_path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(root)
    before = tree(tmp_path / "native")
    with (
        pytest.raises(Unavailable, match=f"{root} is missing or empty, and .*is its file system mounted"),
        open_native(tmp_path),
    ):
        pass
    assert [path for path in tree(tmp_path / "native") if not path.endswith("/lamina.lock")] == before


def test_the_data_is_used_when_it_is_back(root: Path, tmp_path: Path) -> None:
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(Unavailable), open_native(tmp_path):
        pass
    (tmp_path / "elsewhere").rename(root)
    with open_native(tmp_path) as native:
        assert native.stat("base").kind is Kind.COMMITTED
        native.prepare("next", "base")


def test_a_data_root_whose_snapshots_were_all_removed_may_be_missing(root: Path, tmp_path: Path) -> None:
    with open_native(tmp_path) as native:
        native.remove("work")
        native.remove("base")
    shutil.rmtree(root)
    with open_native(tmp_path) as native:
        native.prepare("new")
    assert "uuid" in os.listdir(root)


def test_no_descriptor_stays_when_the_metastore_cannot_tell(tmp_path: Path) -> None:
    def has_snapshots() -> bool:
        raise DataLoss("the metastore is damaged")

    tmp_path.chmod(0o700)
    before = open_files()
    with pytest.raises(DataLoss):
        open_data_root(str(tmp_path), "uuid", "native", has_snapshots)
    assert open_files() == before


@pytest.mark.parametrize("take_away", [shutil.rmtree, empty])
@pytest.mark.parametrize("from_backup", [False, True])
def test_a_rebuild_without_it_is_refused_since_newer_snapshots_would_be_taken_for_leftovers(
    root: Path, tmp_path: Path, take_away: Callable[[Path], None], from_backup: bool
) -> None:
    places = Places(str(tmp_path), str(tmp_path / "metastore"), {"native": str(root)})
    backup = str(shutil.copy(tmp_path / "metastore/data.mdb", tmp_path / "backup")) if from_backup else ""
    with open_native(tmp_path) as native:
        native.prepare("later", "base")
    shutil.copytree(root, disk := tmp_path / "not/mounted")
    take_away(root)
    before = (tmp_path / "metastore/data.mdb").read_bytes()
    with pytest.raises(Unavailable, match=f"{root} is missing or empty, and .*is its file system mounted"):
        rebuild(places, backup=backup)
    assert (tmp_path / "metastore/data.mdb").read_bytes() == before
    shutil.rmtree(root, ignore_errors=True)
    disk.rename(root)
    rebuild(places, backup=backup)
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == {"base", "work", "later"}


def test_a_rebuild_goes_on_without_it_after_the_command_that_its_error_names(root: Path, tmp_path: Path) -> None:
    places = Places(str(tmp_path), str(tmp_path / "metastore"), {"native": str(root)})
    backup = str(shutil.copy(tmp_path / "metastore/data.mdb", tmp_path / "backup"))
    shutil.rmtree(root)
    with pytest.raises(Unavailable) as refused:
        rebuild(places, backup=backup)
    command = str(refused.value).rpartition("with `")[2].partition("`")[0]
    subprocess.run(["sh", "-c", command], check=True)
    rebuild(places, backup=backup)
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == {"base", "work"}
