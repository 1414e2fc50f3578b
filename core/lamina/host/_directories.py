"""Checks and creation of the host's directories and configuration files."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from lamina.config import Config, HostConfig
from lamina.errdefs import PermissionDenied, from_os_error
from lamina.fs import SecureDirectory, open_path


def check_files(config: Config) -> None:
    """Check that no other user can change the configuration files.

    Raises:
        PermissionDenied: Another user can; the message says how, and the remedy.
    """
    for exposure in config.exposures:
        raise PermissionDenied(
            f"configuration: {exposure.found}, who could change what this host does: {exposure.remedy}"
        )


def open_directories(config: HostConfig) -> SecureDirectory:
    """Create the root, state and temporary directories where they are missing, and check them.

    The mode of root becomes 0700, even if root exists. State is created with 0711, since clients reach the socket
    in it, and temp with 0700. An existing temp may be the system's.

    Returns:
        The root directory.

    Raises:
        Error: A directory cannot be created, or another user can write to it.
    """
    with _explained("state"):
        SecureDirectory.open(config.state, create_mode=0o711).close()
    if config.temp:
        with _explained("temp"):
            os.close(open_path(config.temp, create_mode=0o700))
    with _explained("root"):
        root = SecureDirectory.open(config.root, create_mode=0o700)
    if stat.S_IMODE(os.fstat(root.fd).st_mode) != 0o700:  # a copy-on-write file system needs space for a change
        with contextlib.suppress(PermissionError):  # taking the lock shows whether the host can write there
            os.fchmod(root.fd, 0o700)
    return root


@contextlib.contextmanager
def temporary_files_in(directory: str) -> Iterator[None]:
    """Use a directory for temporary files in this process and its children; "" changes nothing."""
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
    try:
        yield
    except OSError as error:
        remedy = f"set another {name}"
        if error.errno in {errno.EACCES, errno.EPERM}:
            remedy = f"run as root, or {remedy}"
        raise from_os_error(error, f"make the {name} directory", remedy) from error
    except PermissionDenied as error:
        raise PermissionDenied(f"use the {name} directory: {error}") from None
