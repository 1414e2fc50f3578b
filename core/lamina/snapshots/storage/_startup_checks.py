"""Checks of a metastore's file: before it is used, and if that check was partial, again while it is used."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

import lamina.store
from lamina.errdefs import FailedPrecondition
from lamina.fs import open_secure_file, replace_file
from lamina.snapshots.storage._check import DAMAGED, first_problems, reader
from lamina.store._environment import Environment
from lamina.store._lmdb import DATA
from lamina.store._meta import Meta, newest_meta
from lamina.store._quick_check import quick_check

if TYPE_CHECKING:
    import subprocess

_log = logging.getLogger(__name__)

SMALL: Final = 2 << 20
"""The size up to which a file is always checked entirely before use, which takes ten milliseconds."""
LARGE: Final = 16 << 20
"""The size from which a child process checks the file. Checking a smaller one here costs memory, but saves the
forty milliseconds that an interpreter takes to start."""
CLOSED: Final = "closed"
"""The file in the metastore's directory with the last transaction before a clean close of a checked file."""
_STORAGE: Final = "lamina.snapshots.storage"
_STORE: Final = "lamina.store"
_PROGRAM: Final = f"""
import sys, types
for name in ("lamina", "lamina.snapshots", "{_STORAGE}", "{_STORE}"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["{_STORAGE}"].__path__ = [{os.path.dirname(os.path.abspath(__file__))!r}]
sys.modules["{_STORE}"].__path__ = [{os.path.dirname(os.path.abspath(lamina.store.__file__))!r}]
from {_STORAGE}._check import main
sys.exit(main(*sys.argv[1:]))
"""
"""A program that runs `_check` without importing its packages, which would take longer than most checks."""
_POLL_SECONDS: Final = 0.05


class Checks:
    """Checks the file of one metastore."""

    def __init__(self, directory: str) -> None:
        """Check nothing yet.

        Args:
            directory: The metastore's directory.
        """
        self._path = os.path.join(directory, DATA)
        self._closed_path = os.path.join(directory, CLOSED)
        self._unchecked: Meta | None = None
        """The meta page of a file that was only partially checked."""
        self._passed = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self) -> list[str]:
        """Check the file before it is used: only partially if the last process checked it and closed it cleanly.

        Returns:
            The problems, a line each.

        Raises:
            FailedPrecondition: It is a link, or another user's (`lamina.fs.open_secure_file`).
            OSError: It cannot be read, which proves no damage.
        """
        try:
            fd = open_secure_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            self._passed = True
            return []
        try:
            status = os.fstat(fd)
            problems = self._check(fd, status.st_size) if status.st_size else []
        finally:
            os.close(fd)
        self._passed = self._unchecked is None
        return problems

    def _check(self, fd: int, size: int) -> list[str]:
        if size <= SMALL:
            return _check_here(fd)
        meta, damages = newest_meta(reader(fd))
        if meta is None or damages or self._take_mark() != meta.transaction:
            return _check_here(fd) if size < LARGE else _check_in_child(self._path, fd)
        problems = [str(damage) for damage in quick_check(reader(fd), meta)]
        self._unchecked = None if problems else meta
        return problems

    def start(self, environment: Environment) -> None:
        """Check a partially checked file entirely in the background.

        Args:
            environment: The environment, to which nothing was written yet.
        """
        if self._unchecked is None:
            return
        held = threading.Event()
        self._thread = threading.Thread(
            target=self._check_in_background,
            args=(environment, self._unchecked, held),
            name=f"check {self._path}",
            daemon=True,
        )
        self._thread.start()
        held.wait()

    def _check_in_background(self, environment: Environment, meta: Meta, held: threading.Event) -> None:
        try:
            with environment.hold() as transaction:
                held.set()
                problems = self._wait(environment, meta) if transaction == meta.transaction else None
        except Exception as error:  # noqa: BLE001 - the next start makes the check
            _log.warning("could not check the metastore", exc_info=error, extra={"path": self._path})
            return
        finally:
            held.set()
        self._passed = problems == []
        if problems:
            _log.error(
                "the metastore is damaged: restart lamina, which sets a damaged file aside: %s",
                "; ".join(problems[:3]),
                extra={"path": self._path, "problems": len(problems)},
            )

    def _wait(self, environment: Environment, meta: Meta) -> list[str] | None:
        """Return the problems, or None if the check was interrupted."""
        with _started(self._path, meta) as child:
            while child.poll() is None:
                if self._stopped.wait(_POLL_SECONDS) or environment.is_wanted:
                    child.kill()
                    return None
            return _verdict(child)

    def stop(self) -> None:
        """Stop the background check. Stopping twice does nothing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def mark_closed(self) -> None:
        """Record the last transaction of a large file that was found sound."""
        if not self._passed:
            return
        self._passed = False
        try:
            with open(self._path, "rb", buffering=0) as file:
                meta, damages = newest_meta(reader(file.fileno()))
                if meta is not None and not damages and os.fstat(file.fileno()).st_size > SMALL:
                    replace_file(self._closed_path, f"{meta.transaction}\n".encode())
        except OSError as error:
            _log.info("the next start will check the whole metastore: %s", error)

    def _take_mark(self) -> int:
        """Return the transaction recorded by `mark_closed`, and delete it: a start after a crash checks all."""
        try:
            with open(open_secure_file(self._closed_path, os.O_RDONLY), "rb") as file:
                transaction = int(file.read(32))
            os.unlink(self._closed_path)
        except (FailedPrecondition, OSError, ValueError):
            return -1
        return transaction


def _check_in_child(path: str, fd: int) -> list[str]:
    """Check a file in a child process, or in this one if that is impossible or the child dies."""
    if os.path.basename(sys.executable).startswith("python"):
        with _started(path) as child:
            child.wait()
            problems = _verdict(child)
        if problems is not None:
            return problems
    return _check_here(fd)


def _check_here(fd: int) -> list[str]:
    return first_problems(fd, reader(fd)(0, os.fstat(fd).st_size))


def _started(path: str, meta: Meta | None = None) -> subprocess.Popen[str]:
    """Start the check in a child process."""
    import subprocess

    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, path, *([json.dumps(meta)] if meta else [])]
    return subprocess.Popen(  # noqa: S603 - this interpreter
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _verdict(child: subprocess.Popen[str]) -> list[str] | None:
    """Return the problems found by a finished child, which fit in the pipe; None if it failed."""
    if child.returncode not in {0, DAMAGED} or child.stdout is None:
        _log.warning("the check of the metastore ended with code %d", child.returncode)
        return None
    return child.stdout.read().splitlines()
