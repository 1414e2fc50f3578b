"""Messages to the service manager."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

import pytest

from lamina.host._notify import sd_notify, watchdog_seconds
from tests.support.directories import short_directory


def listening(address: str) -> socket.socket:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(60)
    manager.bind(address)
    return manager


def test_assignments_arrive_as_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_directory() as directory, listening(f"{directory}/notify") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", f"{directory}/notify")
        sd_notify("READY=1", "STATUS=Serving")
        assert manager.recv(100) == b"READY=1\nSTATUS=Serving"


def test_an_abstract_socket_is_written_with_an_at_sign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = f"lamina-test-{os.getpid()}-{tmp_path.name}"
    with listening(f"\0{name}") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        sd_notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_service_manager_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    sd_notify("READY=1")
    assert not caplog.records


@pytest.mark.parametrize("address", ["vsock:2:1234", "/nowhere/notify", "@nobody-listens-here"])
def test_a_service_manager_that_cannot_be_reached_is_a_warning(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    sd_notify("READY=1")
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "cannot notify the service manager")


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_a_watchdog_is_for_the_process_that_it_names(
    variables: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert watchdog_seconds() == seconds


@pytest.mark.parametrize("microseconds", ["soon", "0", "-1", "1.5", "²"])
def test_a_watchdog_without_a_number_is_a_warning(
    microseconds: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    assert watchdog_seconds() is None
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "no watchdog")
