"""When a metastore's file is checked: before it is used, and where that was quick, once more while it is used."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from lamina.errdefs import FailedPrecondition
from lamina.fs import open_secure_file, replace_file
from lamina.snapshots.storage._check import DAMAGED, first_problems, reader
from lamina.snapshots.storage._environment import Environment
from lamina.snapshots.storage._meta import Meta, newest_meta
from lamina.snapshots.storage._opening import DATA
from lamina.snapshots.storage._quick_check import quick_check

if TYPE_CHECKING:
    import subprocess

_log = logging.getLogger(__name__)

SMALL: Final = 2 << 20
"""Bytes of a file all of which is checked before it is used, however it was closed: in ten milliseconds."""
LARGE: Final = 16 << 20
"""Bytes of a file for which a process is started that checks it. A smaller one is checked here, which costs the
memory that it takes, and not the forty milliseconds in which an interpreter starts."""
CLOSED: Final = "closed"
"""A file in the metastore's directory: the last transaction, when a process that had checked it closed it."""
_ROOM: Final = "lamina.snapshots.storage"
_PROGRAM: Final = f"""
import sys, types
for name in ("lamina", "lamina.snapshots", "{_ROOM}"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [{os.path.dirname(os.path.abspath(__file__))!r}]
from {_ROOM}._check import main
sys.exit(main(*sys.argv[1:]))
"""
"""Runs `_check` without the packages that it is in, which would take longer to import than most checks."""
_POLL_SECONDS: Final = 0.05


class Checks:
    """The checks of the file of one metastore, as long as it is open."""

    def __init__(self, directory: str) -> None:
        """Check nothing yet.

        Args:
            directory: The metastore's directory.
        """
        self._path = os.path.join(directory, DATA)
        self._closed_path = os.path.join(directory, CLOSED)
        self._unchecked: Meta | None = None
        """What only a quick look was taken at."""
        self._passed = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self) -> list[str]:
        """Check the file before it is used: quickly, where the last process had checked it and closed it.

        Returns:
            What is wrong with it, a line each.

        Raises:
            FailedPrecondition: It is a link, or another user's (`lamina.fs.open_secure_file`).
            OSError: It cannot be read. That proves no damage.
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
        """Check in the background what only a quick look was taken at.

        Args:
            environment: The file, opened, to which nothing was written yet.
        """
        if self._unchecked is None:
            return
        held = threading.Event()
        self._thread = threading.Thread(
            target=self._check_behind,
            args=(environment, self._unchecked, held),
            name=f"check {self._path}",
            daemon=True,
        )
        self._thread.start()
        held.wait()

    def _check_behind(self, environment: Environment, meta: Meta, held: threading.Event) -> None:
        try:
            with environment.hold() as transaction:
                held.set()
                problems = self._wait(environment, meta) if transaction == meta.transaction else None
        except Exception as error:  # noqa: BLE001 - all that is lost is a check, which the next start makes
            _log.warning("could not check the metastore", exc_info=error, extra={"path": self._path})
            return
        finally:
            held.set()
        self._passed = problems == []
        if problems:
            _log.error(
                "the metastore is damaged: restart lamina, which sets aside what is damaged: %s",
                "; ".join(problems[:3]),
                extra={"path": self._path, "problems": len(problems)},
            )

    def _wait(self, environment: Environment, meta: Meta) -> list[str] | None:
        """What is wrong; None where that was not found out."""
        with _started(self._path, meta) as child:
            while child.poll() is None:
                if self._stopped.wait(_POLL_SECONDS) or environment.is_wanted:
                    child.kill()
                    return None
            return _verdict(child)

    def stop(self) -> None:
        """End the check in the background. Stopping twice does nothing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def mark_closed(self) -> None:
        """Write down that a large file, which was found to be whole, is as the last commit left it."""
        if not self._passed:
            return
        self._passed = False
        try:
            with open(self._path, "rb", buffering=0) as file:
                meta, damages = newest_meta(reader(file.fileno()))
                if meta is not None and not damages and os.fstat(file.fileno()).st_size > SMALL:
                    replace_file(self._closed_path, f"{meta.transaction}\n".encode())
        except OSError as error:
            _log.info("the next start will check all of the metastore: %s", error)

    def _take_mark(self) -> int:
        """The transaction that `mark_closed` wrote down. The next process checks all, whatever ends this one."""
        try:
            with open(open_secure_file(self._closed_path, os.O_RDONLY), "rb") as file:
                transaction = int(file.read(32))
            os.unlink(self._closed_path)
        except (FailedPrecondition, OSError, ValueError):
            return -1
        return transaction


def _check_in_child(path: str, fd: int) -> list[str]:
    """Check a file in a process of its own, or where there is none to be had, or it dies, in this one."""
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
    """Start the check in a process of its own."""
    import subprocess

    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, path, *([json.dumps(meta)] if meta else [])]
    return subprocess.Popen(  # noqa: S603 - this interpreter
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def _verdict(child: subprocess.Popen[str]) -> list[str] | None:
    """What a check that has ended has found, which fits into the pipe; None where it did not come to an end."""
    if child.returncode not in {0, DAMAGED} or child.stdout is None:
        _log.warning("the check of the metastore ended with code %d", child.returncode)
        return None
    return child.stdout.read().splitlines()
