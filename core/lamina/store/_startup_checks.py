"""Checks of a store's file: before it is used, and if that check was partial, again while it is used."""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from lamina.errdefs import FailedPrecondition
from lamina.fs import open_secure_file, replace_file
from lamina.lazy import code_was_replaced
from lamina.store._environment import Environment
from lamina.store._fsck import DAMAGED, first_problems, reader
from lamina.store._headers import quick_check
from lamina.store._lmdb import DATA
from lamina.store._meta import Meta, newest_meta

if TYPE_CHECKING:
    import subprocess

_log = logging.getLogger(__name__)

SMALL: Final = 2 << 20
"""The size up to which a file is always checked entirely before use, which takes ten milliseconds."""
LARGE: Final = 16 << 20
"""The size from which a child process checks the file. Checking a smaller one here costs memory, but saves the
forty milliseconds that an interpreter takes to start."""
CLOSED: Final = "closed"
"""The file in the store's directory that marks a clean close of a checked file: with the last transaction, and the
number of background checks since the last complete one, all of which were interrupted."""
MOST_INTERRUPTED: Final = 3
"""Background checks that may be interrupted in a row. After one more, the file is checked entirely before use."""
_PROGRAM: Final = """
import json, sys, types
for name, places in json.loads(sys.argv[1]).items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = places
from lamina.store._fsck import main
sys.exit(main(*sys.argv[2:]))
"""
"""A program that runs `_fsck` without importing the packages of its modules, which would take longer than most
checks. Its first argument has the packages' directories."""
_POLL_SECONDS: Final = 0.05


class Checks:
    """Checks the file of one store."""

    def __init__(self, directory: str, entries: str) -> None:
        """Check nothing yet.

        Args:
            directory: The store's directory.
            entries: The name of the module that checks its entries (`EntryCheck`).
        """
        self._entries = entries
        self._path = os.path.join(directory, DATA)
        self._closed_path = os.path.join(directory, CLOSED)
        self._unchecked: Meta | None = None
        """The meta page of a file that was only partially checked."""
        self._interrupted_before = 0
        """Background checks that were interrupted since the last complete check, when the file was opened."""
        self._interrupted: int | None = None
        """The same at a close. None: the file is not known to be sound, so the next start checks it entirely."""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self) -> list[str]:
        """Check the file before it is used: only partially if the last process checked it and closed it cleanly.

        Returns:
            The problems, one per line.

        Raises:
            FailedPrecondition: It is a link, or another user's (`lamina.fs.open_secure_file`).
            OSError: It cannot be read, which proves no damage.
        """
        try:
            fd = open_secure_file(self._path, os.O_RDONLY)
        except FileNotFoundError:
            self._interrupted = 0
            return []
        try:
            status = os.fstat(fd)
            problems = self._check(fd, status.st_size) if status.st_size else []
        finally:
            os.close(fd)
        if self._unchecked is None:
            self._interrupted = 0
        return problems

    def _check(self, fd: int, size: int) -> list[str]:
        if size <= SMALL:
            return self._check_here(fd)
        meta, damages = newest_meta(reader(fd))
        if meta is None or damages or self._take_mark() != meta.transaction:
            return self._check_here(fd) if size < LARGE else self._check_in_child(fd)
        problems = [str(damage) for damage in quick_check(reader(fd), meta)]
        self._unchecked = None if problems else meta
        return problems

    def _check_in_child(self, fd: int) -> list[str]:
        """Check the file in a child process, or in this one if that is impossible or the child dies."""
        if os.path.basename(sys.executable).startswith("python"):
            with self._started() as child:
                child.wait()
                problems = _verdict(child)
            if problems is not None:
                return problems
        return self._check_here(fd)

    def _check_here(self, fd: int) -> list[str]:
        return first_problems(fd, reader(fd)(0, os.fstat(fd).st_size), self._entries)

    def _started(self, meta: Meta | None = None) -> subprocess.Popen[str]:
        """Start the check in a child process."""
        import subprocess

        arguments = [json.dumps(_packages(__name__, self._entries)), self._path, self._entries]
        if meta:
            arguments.append(json.dumps(meta))
        return subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

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
        if problems == []:
            self._interrupted = 0
        if problems:
            _log.error(
                "the metastore is damaged: restart lamina, which sets a damaged file aside: %s",
                "; ".join(problems[:3]),
                extra={"path": self._path, "problems": len(problems)},
            )

    def _wait(self, environment: Environment, meta: Meta) -> list[str] | None:
        """Return the problems, or None if the check was interrupted."""
        with self._started(meta) as child:
            while child.poll() is None:
                if self._stopped.wait(_POLL_SECONDS) or environment.is_wanted:
                    child.kill()
                    if self._interrupted_before < MOST_INTERRUPTED:
                        self._interrupted = self._interrupted_before + 1
                    return None
            return _verdict(child)

    def stop(self) -> None:
        """Stop the background check. Stopping twice does nothing."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def mark_closed(self) -> None:
        """Record the last transaction of a large file that was found sound, or whose check was interrupted."""
        if self._interrupted is None:
            return
        interrupted, self._interrupted = self._interrupted, None
        try:
            with open(self._path, "rb", buffering=0) as file:
                meta, damages = newest_meta(reader(file.fileno()))
                if meta is not None and not damages and os.fstat(file.fileno()).st_size > SMALL:
                    replace_file(self._closed_path, f"{meta.transaction} {interrupted}\n".encode())
        except OSError as error:
            _log.info("the next start will check the whole metastore: %s", error)

    def _take_mark(self) -> int:
        """Return the transaction recorded by `mark_closed`, and delete it: a start after a crash checks all."""
        try:
            with open(open_secure_file(self._closed_path, os.O_RDONLY), "rb") as file:
                transaction, self._interrupted_before = map(int, file.read(32).split())
            os.unlink(self._closed_path)
        except (FailedPrecondition, OSError, ValueError):
            return -1
        return transaction


def _packages(*modules: str) -> dict[str, list[str]]:
    """Return the directories of the packages of modules."""
    names = {name for module in modules for name in itertools.accumulate(module.split(".")[:-1], "{}.{}".format)}
    return {name: list(importlib.import_module(name).__path__) for name in names}


def _verdict(child: subprocess.Popen[str]) -> list[str] | None:
    """Return the problems found by a finished child, which fit in the pipe; None if it failed.

    Code of another version could take unknown entries for damage, so its verdict does not count.
    """
    if code_was_replaced():
        _log.warning("the check of the metastore ran other code than this process: lamina was replaced on disk")
        return None
    if child.returncode not in {0, DAMAGED} or child.stdout is None:
        _log.warning("the check of the metastore ended with code %d", child.returncode)
        return None
    return child.stdout.read().splitlines()
