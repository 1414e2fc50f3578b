"""`lamina` without a host, or with one that does not answer."""

import fcntl
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.commands import environment
from tests.support.waiting import wait_until

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


DURING_AN_IMPORT = """
import signal, sys

class Signalling:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            signal.raise_signal(signal.{name})

sys.meta_path.insert(0, Signalling())
sys.argv = ["lamina", *{words!r}]
from lamina.cli.main import main
main()
"""


def signalled(name, module, *words):
    """Run a command that gets a signal when it imports a module."""
    program = DURING_AN_IMPORT.format(name=name, module=module, words=words)
    return subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("click", ["serve", "-c", "/nonexistent"]),
        ("click", ["snapshots", "ls"]),
        ("lamina.cli.serve", ["serve", "-c", "/nonexistent"]),
        ("lamina.cli.snapshots.command", ["snapshots", "ls"]),
        ("importlib.metadata", ["--version"]),
    ],
)
def test_an_interrupt_while_the_command_is_imported_ends_the_process_silently(module, words):
    done = signalled("SIGINT", module, *words)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_an_interrupt_of_a_command_at_work_ends_it_silently():
    done = signalled("SIGINT", "lamina.client", "snapshots", "ls")
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_an_ignored_interrupt_stays_ignored():
    done = shell("trap '' INT; \"$0\" completion bash & kill -INT $!; wait $!")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["click", "lamina.cli.serve", "lamina.host"])
def test_a_host_that_has_not_read_its_configuration_has_none_to_reload(module):
    done = signalled("SIGHUP", module, "serve", "-c", "/nonexistent")
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)


def test_a_timeout_ends_the_wait(silence):
    done = run("snapshots", "--timeout", "100ms", "info", "k", "--address", silence.getsockname())
    assert done.returncode == 1
    remedy = f"raise --timeout, or see what lamina diagnose -a {silence.getsockname()} finds"
    assert done.stderr.endswith(f"was not answered in time; {remedy}\n")


def test_an_option_overrides_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMINA_ADDRESS", str(tmp_path / "environment.sock"))
    for words in (["snapshots", "ls"], ["snapshots", "--address", tmp_path / "typed.sock", "ls"]):
        assert ("typed.sock" if len(words) > 2 else "environment.sock") in run(*words).stderr


def shell(command, *words, **variables):
    """Run a command of bash, in which `"$0"` is lamina."""
    return subprocess.run(
        ["bash", "-c", command, PROGRAM, *words],
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_working_directory_that_was_removed_is_said_to_be(tmp_path):
    done = shell('mkdir "$1" && cd "$1" && rmdir "$1" && "$0" plugins ls -a relative', tmp_path / "gone")
    said = "lamina: the working directory has been removed: change to another one\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


BUFFERS = pytest.mark.parametrize("unbuffered", ["", "1"])
"""With and without the variable PYTHONUNBUFFERED, which container images often set."""


@BUFFERS
def test_output_of_which_a_part_does_not_fit_is_an_error(tmp_path, unbuffered):
    # The limit would also cut the caches that Python writes.
    variables = {"PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"}
    done = shell('ulimit -f 1; "$0" config default > "$1"', tmp_path / "out", **variables)
    assert (done.returncode, done.stderr) == (1, "lamina: standard output: File too large\n")
    assert (tmp_path / "out").stat().st_size == 1024


@BUFFERS
@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&-", "2> >(exec true)"])
@pytest.mark.parametrize(
    ("words", "code"), [("snapshot", 2), ("config check -c /none", 1), ("completion bash", 0)]
)
def test_a_message_that_cannot_be_printed_changes_nothing(lost, words, code, unbuffered):
    done = shell(f'"$0" {words} {lost}', LAMINA_UNKNOWN="x", PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, bool(done.stdout)) == (code, code == 0)


MESSAGE = """
import signal, sys
from lamina.cli.terminal.streams import open_standard_streams
signal.signal(signal.SIGUSR1, lambda *_: None)
open_standard_streams()
sys.stderr.write("x" * (1 << 20))
"""
"""A program that prints a message larger than a pipe."""


def test_a_message_of_which_a_signal_interrupts_the_write_is_whole():
    with subprocess.Popen([sys.executable, "-c", MESSAGE], stderr=subprocess.PIPE, env=environment()) as process:
        size = fcntl.fcntl(process.stderr, fcntl.F_GETPIPE_SZ)
        wait_until(lambda: waiting_bytes(process.stderr) == size, 60, "the pipe is full")
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: not is_pending(process.pid, signal.SIGUSR1), 60, "the signal is delivered")
        assert len(process.communicate(timeout=60)[1]) == 1 << 20
    assert process.returncode == 0


def waiting_bytes(pipe):
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def is_pending(pid, number):
    """Return whether a signal was sent to a process that has not taken it yet."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) >> (number - 1) & 1)
