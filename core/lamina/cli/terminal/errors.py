"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

import click

from lamina.cli.terminal.output import one_line
from lamina.errdefs import ConfigError, Error

FAILURE = 1
INTERRUPTED = 130
"""What a shell reports of a program that SIGINT ended: 128 + 2."""
BROKEN_PIPE = 141
"""What a shell reports of a program that SIGPIPE ended: 128 + 13."""


@contextlib.contextmanager
def reported(code: int = FAILURE) -> Iterator[None]:
    """Tell the errors of the block, or of the function that this decorates, to whoever typed the command.

    An error of `lamina.errdefs` or of the system becomes `lamina: <message>` on stderr, on one line (a
    `ConfigError`: one for each problem), and the exit code. An interrupt ends with 130, a reader of stdout that
    went away with 141, both silently. Usage errors are left to click. Any other exception is a defect, and keeps
    its traceback.

    Args:
        code: The exit code.

    Raises:
        SystemExit: The block raised one of those errors.
    """
    try:
        yield
    except ConfigError as error:
        _fail(code, *str(error).split("\n"))
    except Error as error:
        _fail(code, "; ".join([str(error) or error.text, *getattr(error, "__notes__", ())]))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        _drop_output()
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        _fail(code, f"{where}{error.strerror or error}")


def _fail(code: int, *messages: str) -> NoReturn:
    for message in messages:
        click.echo(f"lamina: {one_line(message)}", err=True)
    sys.exit(code)


def _drop_output() -> None:
    """Send what stdout still buffers nowhere. The interpreter writes it as it ends, and would complain again."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 1)
    finally:
        os.close(null)
