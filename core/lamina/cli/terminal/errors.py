"""Report errors on stderr and exit with the matching code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from lamina.cli.terminal.output import one_line
from lamina.errdefs import ConfigError, Error

FAILURE = 1
INTERRUPTED = 130
"""The shell's exit code for a program killed by SIGINT: 128 + 2."""
BROKEN_PIPE = 141
"""The shell's exit code for a program killed by SIGPIPE: 128 + 13."""


@contextlib.contextmanager
def reported(code: int = FAILURE) -> Iterator[None]:
    """Report the errors of a block, or of the decorated function, to the user.

    An error of `lamina.errdefs` or of the system is printed on stderr as one line, `lamina: <message>` (a
    `ConfigError` as one line for each problem), before the process exits with `code`. An interrupt exits with 130
    and a closed stdout with 141, both silently. Click handles usage errors. Any other exception is a bug and keeps
    its traceback.

    Raises:
        SystemExit: The block raised one of those errors.
    """
    try:
        yield
    except ConfigError as error:
        _fail(code, *str(error).split("\n"))
    except Error as error:
        _fail(code, "; ".join([str(error) or error.text, *getattr(error, "__notes__", ())]))
    except (KeyboardInterrupt, click.Abort):  # the latter for Ctrl-C and Ctrl-D at a prompt
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        _drop_output()
        _fail(code, _described(error))


def _described(error: OSError) -> str:
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if error.errno == errno.ENOENT and not _has_working_directory():
        return "the working directory has been removed: change to another one"
    return error.strerror or str(error)


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _fail(code: int, *messages: str) -> NoReturn:
    for message in messages:
        click.echo(f"lamina: {one_line(message)}", err=True)
    sys.exit(code)


def _drop_output() -> None:
    """Discard buffered output, which the interpreter would otherwise fail to flush at exit."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 1)
    finally:
        os.close(null)
