"""Availability of system calls."""

from __future__ import annotations

from lamina.mount import system_calls
from lamina.mount._syscalls import _is_there


def test_system_calls_of_this_kernel_are_available() -> None:
    assert system_calls()["openat2"] is True
    assert set(system_calls()) >= {"fsopen", "move_mount", "mount_setattr"}


def test_an_unknown_system_call_is_not_available() -> None:
    assert not _is_there(100_000, ())
