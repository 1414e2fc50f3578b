"""Failing commands."""

import errno
import os
import subprocess
import sys

import click
import pytest

from lamina.cli.terminal.errors import reported
from lamina.errdefs import AlreadyExists, Canceled, ConfigError, Error, MountFailed


def noted(error, *notes):
    for note in notes:
        error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (AlreadyExists("snapshot k exists"), 1, "lamina: snapshot k exists\n"),
        (Canceled(""), 1, "lamina: canceled\n"),
        (Error("a\nb\x1b[31m"), 1, "lamina: a\\nb\\x1b[31m\n"),
        (noted(MountFailed("mount x: no"), "one is left"), 1, "lamina: mount x: no; one is left\n"),
        (ConfigError("f:1: a\nf:2: b"), 1, "lamina: f:1: a\nlamina: f:2: b\n"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
    ],
)
def test_an_error_is_printed_to_stderr_with_an_exit_code(error, code, message, capsys):
    with pytest.raises(SystemExit) as ending, reported():
        raise error
    assert ending.value.code == code
    assert capsys.readouterr() == ("", message)


def test_a_working_directory_whose_name_looks_removed_is_there(tmp_path, monkeypatch, capsys):
    (tmp_path / "new (deleted)").mkdir()
    monkeypatch.chdir(tmp_path / "new (deleted)")
    with pytest.raises(SystemExit), reported():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    assert capsys.readouterr().err == "lamina: No such file or directory\n"


def test_a_bug_shows_its_traceback():
    with pytest.raises(ZeroDivisionError), reported():
        _ = 1 / 0


def test_functions_can_be_decorated(capsys):
    @reported()
    def fail():
        raise AlreadyExists("it exists")

    for _ in range(2):
        with pytest.raises(SystemExit):
            fail()
    assert capsys.readouterr().err == "lamina: it exists\n" * 2


WRITE_MUCH = """
from lamina.cli.terminal.errors import reported
from lamina.cli.terminal.output import write
with reported():
    for _ in range(10):
        write("x" * 100000)
"""


def test_a_closed_pipe_ends_the_command_silently():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as stdout:
        done = subprocess.run(
            [sys.executable, "-c", WRITE_MUCH], stdout=stdout, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_full_disk_below_stdout_is_reported_once():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", WRITE_MUCH], stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"lamina: standard output: No space left on device\n")


def test_a_path_refused_by_the_kernel_is_named(capsys):
    with pytest.raises(SystemExit), reported():
        os.open("/does/not/exist", os.O_RDONLY)
    assert capsys.readouterr().err == "lamina: /does/not/exist: No such file or directory\n"
