"""The host's directories and files: who may enter them, and who could change them."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from lamina.config import Config, HostConfig
from lamina.errdefs import PermissionDenied, from_os_error
from lamina.fs import SecureDirectory, open_path


def check_files(config: Config) -> None:
    """Check that no other user could change the configuration that a host is started from.

    Raises:
        PermissionDenied: One could; the message says how, and the remedy.
    """
    for exposure in config.exposures:
        raise PermissionDenied(
            f"configuration: {exposure.found}, who could change what this host does: {exposure.remedy}"
        )


def open_directories(config: HostConfig) -> SecureDirectory:
    """Check root and state, and temp if there is one; what is missing is made.

    Root gets mode 0700, also where it exists. State is made with 0711, as others reach the socket in it, and temp
    with 0700. A temp that exists may be the system's.

    Returns:
        Root.

    Raises:
        Error: One cannot be made; or another user could put there what the host then trusts.
    """
    with _explained("state"):
        SecureDirectory.open(config.state, create_mode=0o711).close()
    if config.temp:
        with _explained("temp"):
            os.close(open_path(config.temp, create_mode=0o700))
    with _explained("root"):
        root = SecureDirectory.open(config.root, create_mode=0o700)
    if stat.S_IMODE(os.fstat(root.fd).st_mode) != 0o700:  # a change takes space where all is written anew
        with contextlib.suppress(PermissionError):  # taking the lock will tell whether the host may write there
            os.fchmod(root.fd, 0o700)
    return root


@contextlib.contextmanager
def temporary_files_in(directory: str) -> Iterator[None]:
    """Have this process, and those that it starts, put temporary files into a directory; "" changes nothing."""
    if not directory:
        yield
        return
    import tempfile

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
        raise PermissionDenied(f"use the {name} directory: {error}") from None
