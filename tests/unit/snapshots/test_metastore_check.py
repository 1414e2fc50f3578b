"""Checks of the metastore's file: their depth, time and process."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import DataLoss
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage.file import Contents
from lamina.steps import run
from lamina.store import _startup_checks
from lamina.store._startup_checks import MOST_INTERRUPTED, Checks
from tests.support.metastores.changed import KEYS, SPACE, change, flip, populate, set_aside
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until


def mark(tmp_path: Path) -> Path:
    return tmp_path / "metastore/closed"


def test_a_large_cleanly_closed_file_is_quick_checked_first(
    tmp_path: Path, as_if_large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(tmp_path)
    assert mark(tmp_path).exists()
    monkeypatch.setattr(Checks, "_check_in_child", lambda *_: pytest.fail("it is checked as a whole"))
    for _ in range(2):
        store = MetaStore.open(str(tmp_path / "metastore"))
        assert not mark(tmp_path).exists()
        thread = store._checks._thread
        assert thread is not None
        thread.join()
        store.close()
        assert mark(tmp_path).exists()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were checked entirely before use."""
    checked: list[str] = []
    monkeypatch.setattr(Checks, "_check_in_child", lambda checks, _: checked.append(checks._path) or [])
    return checked


def test_a_file_whose_background_check_was_interrupted_is_quick_checked_first_a_few_times(
    tmp_path: Path, as_if_large: None, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(tmp_path)
    monkeypatch.setattr(_startup_checks, "_PROGRAM", "import time; time.sleep(600)")  # longer than it is open
    for _ in range(2):
        for _ in range(MOST_INTERRUPTED):
            MetaStore.open(str(tmp_path / "metastore")).close()
            assert mark(tmp_path).exists()
        MetaStore.open(str(tmp_path / "metastore")).close()
        assert not checked
        assert not mark(tmp_path).exists()
        MetaStore.open(str(tmp_path / "metastore")).close()
        assert len(checked) == 1
        checked.clear()


def test_a_background_check_that_ends_makes_up_for_interrupted_ones(
    tmp_path: Path, as_if_large: None, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(tmp_path)
    for _ in range(MOST_INTERRUPTED):
        with monkeypatch.context() as patched:
            patched.setattr(_startup_checks, "_PROGRAM", "import time; time.sleep(600)")
            MetaStore.open(str(tmp_path / "metastore")).close()
        store = MetaStore.open(str(tmp_path / "metastore"))
        assert store._checks._thread is not None
        store._checks._thread.join()
        store.close()
        assert mark(tmp_path).read_text().split()[1] == "0"
    assert not checked


def test_a_file_whose_background_check_failed_is_checked_completely(
    tmp_path: Path, as_if_large: None, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    populate(tmp_path)
    monkeypatch.setattr(_startup_checks, "_PROGRAM", "raise SystemExit(1)")
    store = MetaStore.open(str(tmp_path / "metastore"))
    assert store._checks._thread is not None
    store._checks._thread.join()
    store.close()
    assert not mark(tmp_path).exists()
    MetaStore.open(str(tmp_path / "metastore")).close()
    assert len(checked) == 1


def test_a_large_file_that_was_not_closed_is_checked_completely(
    tmp_path: Path, as_if_large: None, checked: list[str]
) -> None:
    populate(tmp_path)
    change(tmp_path, lambda t: t.put(b"f", b"a commit that no close followed"))
    MetaStore.open(str(tmp_path / "metastore")).close()
    assert checked == [str(tmp_path / "metastore/data.mdb")]


def test_damage_missed_by_the_quick_check_is_reported_and_salvaged_at_the_next_start(
    tmp_path: Path, as_if_large: None, caplog: pytest.LogCaptureFixture
) -> None:
    populate(tmp_path)
    file = tmp_path / "metastore/data.mdb"
    key = layout.record_key(SPACE, b"key 3")
    data = bytearray(file.read_bytes())
    at = -1
    while (at := data.find(key + b"\xff\xff", at + 1)) >= 0:
        data[at + len(key) + 40] ^= 1
    file.write_bytes(data)
    with open_native(tmp_path) as native:
        wait_until(lambda: "restart lamina" in caplog.text, 60, "the damage is reported")
        with pytest.raises(DataLoss, match="key 3"):
            native.stat("key 3")
        assert native.stat("key 4").name == "key 4"
    assert not mark(tmp_path).exists()
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == set(KEYS) - {"key 3"}
    assert len(set_aside(tmp_path)) == 1


def test_a_check_whose_process_dies_is_repeated_in_this_process(
    tmp_path: Path, as_if_large: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    populate(tmp_path)
    mark(tmp_path).unlink()
    flip(tmp_path, layout.record_key(SPACE, b"key 3"))
    monkeypatch.setattr(_startup_checks, "_PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGBUS)")
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == set(KEYS) - {"key 3"}
    assert "ended with code -7" in caplog.text


def test_the_background_check_yields_to_growth_of_the_map(tmp_path: Path, as_if_large: None) -> None:
    populate(tmp_path)
    store = MetaStore.open(str(tmp_path / "metastore"), map_size=1 << 17)
    keyspace = store.snapshotter("native").keyspace("native")
    for number in range(60):
        run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"{number}", "", {"l": "v" * 3000})))
    assert len(list(keyspace.walk())) == 60 + len(KEYS)
    store.close()


@pytest.mark.parametrize("counter", ["x", "99999999999"])
def test_a_damaged_counter_of_an_old_metastore_without_checksums_is_a_problem(counter: str) -> None:
    contents = Contents.of([(b"mschema", b"2"), (b"muuid", b"u" * 36), (b"mcounter", counter.encode())])
    assert contents.problems == ("a snapshotter or a keyspace is missing, or has an unassigned number",)
