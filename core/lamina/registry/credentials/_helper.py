"""Credential helpers: programs that keep passwords (docker/docker-credential-helpers, `client`)."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

from lamina.context import current
from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.registry._json import parse_object
from lamina.registry.credentials._credentials import Credentials

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SECONDS: Final = 60.0
"""The time limit of the helper, which may ask the user to unlock something."""
_MAX_OUTPUT: Final = 65536
_INTERVAL: Final = 0.1
"""Seconds between two checks whether the call was cancelled."""
_NOT_FOUND: Final = b"credentials not found in native keychain"
_IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 - stands in the place of the user name
"""The user name of a secret that is an identity token."""


def from_helper(name: str, server: str, path: str) -> Credentials | None:
    """Return the credentials that a helper has for a server; None if it has none.

    Args:
        name: The name of the program after `docker-credential-`.
        server: The name of the server in the helper's keychain.
        path: The file that names the helper, for messages.

    Raises:
        InvalidArgument: The name is malformed.
        FailedPrecondition: The helper is missing, fails, takes too long, or prints something else.
        Canceled, DeadlineExceeded: The current call ended.
    """
    if not _NAME.fullmatch(name):
        raise InvalidArgument(f"credential helper {name[:80]!r}: expected letters, digits, dots, - and _")
    program = f"docker-credential-{name}"
    code, output = _run(program, server, path)
    if code:
        if output.strip() == _NOT_FOUND:
            return None
        raise FailedPrecondition(f"{program}: exit code {code} for {server}: try `echo {server} | {program} get`")
    found = parse_object(output) or {}
    username, secret = found.get("Username"), found.get("Secret")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise FailedPrecondition(f"{program}: its output has no Username and Secret")
    if username == _IDENTITY_TOKEN:
        return Credentials(identity_token=secret)
    return Credentials(username, secret) if username or secret else None


def _run(program: str, server: str, path: str) -> tuple[int, bytes]:
    """Run a helper; return its exit code and its output, which is never shown: it has secrets."""
    import subprocess

    with _pipe() as (question, ask), _pipe() as (answer, tell):
        ask.write(f"{server}\n".encode())
        ask.close()
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's configuration names it
                [program, "get"], stdin=question, stdout=tell, stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            raise FailedPrecondition(
                f"{program}: {error.strerror}: install it, or remove it from {path}"
            ) from error
        tell.close()
        end = time.monotonic() + _SECONDS
        try:
            output = _read(answer, end, program)
            return process.wait(max(0.0, end - time.monotonic())), output
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # with what it started
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise _too_slow(program) from None
            raise


def _read(answer: BinaryIO, end: float, program: str) -> bytes:
    """Return all that a helper prints."""
    output = b""
    while len(output) <= _MAX_OUTPUT:
        current().check()
        if time.monotonic() >= end:
            raise _too_slow(program)
        if select.select([answer], [], [], _INTERVAL)[0]:
            piece = os.read(answer.fileno(), _MAX_OUTPUT)
            if not piece:
                return output
            output += piece
    raise FailedPrecondition(f"{program}: it prints more than {_MAX_OUTPUT} bytes")


def _too_slow(program: str) -> FailedPrecondition:
    return FailedPrecondition(f"{program}: it takes longer than {_SECONDS:g} s")


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as output, open(writer, "wb", buffering=0) as input_:
        yield output, input_
