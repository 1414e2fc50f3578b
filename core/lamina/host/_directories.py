"""The host's directories: who may enter them, and who may have made them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lamina.config import HostConfig
from lamina.errdefs import PermissionDenied, from_os_error


def make_directories(config: HostConfig) -> None:
    """Make root (mode 0700, also where it exists), state (0711: others reach the socket) and temp (0700).

    A temp that exists keeps its mode: it may be the system's.

    Raises:
        Error: One cannot be made; or it is somebody else's, who could put there what the host then trusts.
    """
    with _explained("root"):
        _make(config.root, 0o700)
        with contextlib.suppress(PermissionError):  # taking the lock will tell whether the host may write there
            os.chmod(config.root, 0o700)
    with _explained("state"):
        _make(config.state, 0o711)
    if config.temp:
        with _explained("temp"):
            _make(config.temp, 0o700)


@contextlib.contextmanager
def temporary_files_in(directory: str) -> Iterator[None]:
    """Have this process, and those that it starts, put temporary files into a directory; "" changes nothing."""
    if not directory:
        yield
        return
    import tempfile  # noqa: PLC0415 # for a host that has a directory of its own alone

    before = (os.environ.get("TMPDIR"), tempfile.tempdir)
    os.environ["TMPDIR"] = tempfile.tempdir = directory
    try:
        yield
    finally:
        variable, tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable


def _make(path: str, mode: int) -> None:
    os.makedirs(path, mode=mode, exist_ok=True)
    user, owner = os.geteuid(), os.stat(path).st_uid
    if user != 0 and owner not in {0, user}:
        raise PermissionDenied(f"{path} belongs to user {owner}")


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    remedy = f"run as root, or set another {name}"
    try:
        yield
    except OSError as error:
        problem = from_os_error(error, f"make the {name} directory")
        if isinstance(problem, PermissionDenied):
            raise PermissionDenied(f"{problem}; {remedy}") from error
        raise problem from error
    except PermissionDenied as error:
        raise PermissionDenied(f"use the {name} directory: {error}; {remedy}") from None
