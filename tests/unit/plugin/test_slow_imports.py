"""Slow imports of plugin modules are reported while they run."""

from __future__ import annotations

import sys
import textwrap
import threading
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from lamina.plugin import discover
from lamina.plugin.discovery import _slow_imports
from tests.support.waiting import wait_until

SECONDS = 60
HANGING = """
    import lamina.plugin
    import threading

    hanging = threading.current_thread().hanging
    hanging.wait(60)

    @lamina.plugin.hookimpl
    def lamina_register():
        return []
"""


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    (tmp_path / "hanging_plugin.py").write_text(textwrap.dedent(HANGING))
    monkeypatch.syspath_prepend(tmp_path)
    yield EntryPoint("slow", "hanging_plugin", "lamina.plugins")
    sys.modules.pop("hanging_plugin", None)


def test_a_hanging_import_is_reported_with_distribution_and_module(hanging, monkeypatch, caplog) -> None:
    monkeypatch.setattr(_slow_imports, "SECONDS", 0.05)
    before = set(threading.enumerate())
    discovering = threading.Thread(target=lambda: discover(entry_points=[hanging]))
    discovering.hanging = threading.Event()
    discovering.start()
    wait_until(lambda: caplog.records, SECONDS, "a warning")
    assert discovering.is_alive()
    discovering.hanging.set()
    discovering.join(SECONDS)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", "a plugin module is still loading after 0.05 s")
    assert (record.distribution, record.entry_point, record.plugin_module) == (
        "hanging-plugin", "slow", "hanging_plugin",
    )  # fmt: skip
    assert set(threading.enumerate()) <= before


def test_fast_imports_are_not_reported_and_leave_no_thread(caplog) -> None:
    before = set(threading.enumerate())
    discover(entry_points=[])
    assert set(threading.enumerate()) <= before
    assert caplog.records == []
