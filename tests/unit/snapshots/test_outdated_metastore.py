"""A copy of the metastore's file, made while a host ran, is put in its place before the next opening."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.recovery import Places, rebuild
from lamina.snapshots.storage import MetaStore
from tests.support.snapshotters.native import open_native


def make(native: LocalSnapshotter, name: str) -> None:
    native.prepare(f"making {name}")
    native.commit(name, f"making {name}")


def names(native: LocalSnapshotter) -> set[str]:
    return {info.name for info in native.walk()}


def rebuilt(tmp_path: Path) -> None:
    rebuild(Places(str(tmp_path), str(tmp_path / "metastore"), {"native": str(tmp_path / "native")}))


CHANGES: dict[str, Callable[[LocalSnapshotter], object]] = {
    "a new snapshot": lambda native: make(native, "later"),
    "a removal": lambda native: native.remove("base"),
    "one that was made and removed": lambda native: (make(native, "later"), native.remove("later")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_refused_and_nothing_is_lost_if_something_has_changed_since(tmp_path: Path, change: str) -> None:
    with open_native(tmp_path) as native:
        make(native, "base")
        shutil.copy(tmp_path / "metastore/data.mdb", tmp_path / "copy")
        CHANGES[change](native)
        expected = names(native)
    shutil.copy(tmp_path / "copy", tmp_path / "metastore/data.mdb")
    with (
        pytest.raises(FailedPrecondition, match=r"newer than the metastore.*lamina metastore rebuild"),
        open_native(tmp_path),
    ):
        pass
    rebuilt(tmp_path)
    with open_native(tmp_path) as native:
        assert names(native) == expected
        native._tidying().tidy_up()
        assert not list(tmp_path.glob("native/quarantine/*"))


def test_it_is_refused_after_a_kill(tmp_path: Path) -> None:
    """Some tenths of a second after the last change."""
    with open_native(tmp_path) as native:
        make(native, "base")
        shutil.copy(tmp_path / "metastore/data.mdb", tmp_path / "copy")
        make(native, "later")
        native._root.records.flush()
        shutil.copytree(tmp_path, tmp_path / "killed", ignore=shutil.ignore_patterns("killed"))
    shutil.copy(tmp_path / "copy", tmp_path / "killed/metastore/data.mdb")
    with pytest.raises(FailedPrecondition, match="newer than the metastore"), open_native(tmp_path / "killed"):
        pass


def test_a_copy_since_the_last_change_is_served(tmp_path: Path) -> None:
    with open_native(tmp_path) as native:
        make(native, "base")
        native._root.records.flush()
        shutil.copy(tmp_path / "metastore/data.mdb", tmp_path / "copy")
    shutil.copy(tmp_path / "copy", tmp_path / "metastore/data.mdb")
    with open_native(tmp_path) as native:
        assert names(native) == {"base"}


def test_a_snapshotter_that_is_opened_again_by_the_same_process_is_served(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path / "metastore"))
    for name in ("one", "other"):
        native = LocalSnapshotter.open(NativeBackend(str(tmp_path / "native")), store.snapshotter("native"))
        make(native, name)
        native.close()
    store.close()


def test_a_new_metastore_is_not_compared_with_the_lost_one(tmp_path: Path) -> None:
    with open_native(tmp_path, sync_remove=True) as native:
        for _ in range(9):
            make(native, "base")
            native.remove("base")
    shutil.rmtree(tmp_path / "metastore")
    for _ in range(2):
        with open_native(tmp_path) as native:
            assert names(native) == set()


@pytest.mark.parametrize("content", [b"", b"\0" * 79, b"{uuid} 99 x\n", b"{uuid} 99", b"99 99\n"])
def test_a_damaged_file_tells_nothing(tmp_path: Path, content: bytes) -> None:
    with open_native(tmp_path) as native:
        make(native, "base")
    uuid = (tmp_path / "native/uuid").read_bytes().split()[0]
    (tmp_path / "native/transaction").write_bytes(content.replace(b"{uuid}", uuid))
    with open_native(tmp_path) as native:
        assert names(native) == {"base"}
