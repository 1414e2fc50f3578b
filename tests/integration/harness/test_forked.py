"""Commands in forked processes end as those in started ones."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.commands import environment
from tests.support.processes import forked


def test_exit_code_and_streams_are_those_of_the_command() -> None:
    done = forked.run("frob", env=environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'frob'" in done.stderr
    assert forked.run("--help", env=environment()).stdout.startswith("Usage: lamina ")


def test_directory_and_environment_are_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lamina.toml").write_text("version = 4\nrot = 1\n")
    monkeypatch.chdir(tmp_path)
    done = forked.run("config", "check", env=environment() | {"LAMINA_CONFIG": "lamina.toml"})
    assert (done.returncode, "lamina.toml" in done.stderr) == (1, True)


def host(directory: Path) -> forked.Forked:
    """A host that has been started, and maybe not yet begun."""
    words = ("serve", "--root", directory / "root", "--state", directory / "state")
    with open(directory / "log", "wb") as log:
        return forked.Forked(words, environment(), stdout=log, stderr=log)


def test_the_signal_that_ended_it_is_told(tmp_path: Path) -> None:
    process = host(tmp_path)
    process.send_signal(signal.SIGKILL)
    assert (process.wait(60), process.poll()) == (-signal.SIGKILL, -signal.SIGKILL)
    assert process.pid not in forked.running


def test_a_process_that_has_ended_keeps_its_id_until_it_was_waited_for(tmp_path: Path) -> None:
    process = host(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    pidfd = os.pidfd_open(process.pid)
    os.close(pidfd)
    process.wait(60)


def test_one_that_is_left_behind_is_found_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = leftovers.children()
    process = host(tmp_path)
    monkeypatch.setattr(leftovers, "SECONDS_TO_EXIT", 0)
    assert [found.split(":")[0] for found in leftovers.remove_processes(tmp_path, before)] == [
        f"process {process.pid}"
    ]
    assert process.returncode == -signal.SIGKILL
