"""`lamina` without a host, or with one that does not answer."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("lamina")


def run(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [["plugins", "ls"], ["snapshots", "ls"], ["snapshots", "rm", "k"]])
def test_a_stopped_host_is_named_with_the_start_command(words, tmp_path):
    done = run(*words, "--address", tmp_path / "lamina.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{tmp_path}/lamina.sock: No such file or directory: is `lamina serve` running?\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["snapshots", "info"],
        ["snapshots", "info", "a", "b"],
        ["snapshots", "commit", "name"],
        ["snapshots", "rm"],
        ["snapshots", "ls", "--timeout", "5"],
        ["snapshots", "ls", "--timeout=-5s"],
        ["snapshots", "label", "k", "=v"],
        ["plugins", "nonsense"],
    ],
)
def test_a_usage_error_shows_the_usage(words):
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Usage: lamina {words[0]}")


@pytest.fixture
def silence(tmp_path):
    """A socket with a listener that never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "silent.sock"))
        listener.listen()
        listener.settimeout(60)
        yield listener


def test_an_interrupt_ends_silently(silence):
    command = [PROGRAM, "snapshots", "ls", "--address", silence.getsockname()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        connection, _ = silence.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, (b"", b""))


def test_a_timeout_ends_the_wait(silence):
    done = run("snapshots", "--timeout", "100ms", "info", "k", "--address", silence.getsockname())
    assert done.returncode == 1
    assert "was not answered in time" in done.stderr


def test_an_option_overrides_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_ADDRESS", str(tmp_path / "environment.sock"))
    for words in (["snapshots", "ls"], ["snapshots", "--address", tmp_path / "typed.sock", "ls"]):
        assert ("typed.sock" if len(words) > 2 else "environment.sock") in run(*words).stderr
