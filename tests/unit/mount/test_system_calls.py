"""Availability of system calls."""

from __future__ import annotations

from lamina.mount import system_calls
from lamina.mount._syscalls import _is_there


def test_the_system_calls_of_this_kernel_are_there() -> None:
    assert system_calls()["openat2"] is True
    assert set(system_calls()) >= {"fsopen", "move_mount", "mount_setattr"}


def test_one_that_no_kernel_has_is_not() -> None:
    assert not _is_there(100_000, ())
