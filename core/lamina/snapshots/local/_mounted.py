"""Logging that a snapshot was committed or removed while it was mounted."""

from __future__ import annotations

import logging
import os
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Final

from lamina.context import CallContext, use
from lamina.errdefs import Error, InvalidArgument
from lamina.mount import MountInfo, lookup, mountinfo, overlay_directories
from lamina.snapshots.storage import Record

_log = logging.getLogger(__name__)

COMMITTED: Final = "committed a snapshot that is mounted: what is written there now may change what was committed"
REMOVED: Final = "removed a snapshot that is mounted: what is seen there is being deleted"
DELAY: Final = 0.1
"""Seconds for which calls are collected: to wake the thread for each would take more time than all else here."""
_REST: Final = 19
"""How long to rest after a look at all mounts, as a multiple of what it took: a thousand mounts take 4 ms."""
_SNAPSHOT: Final = r"%s/(?:snapshots/(\d+)|trash/(\d+)-[^/]*)(?:/|\Z)"
"""Matches what is in the data of a snapshot; with the data root."""
_PATIENCE: Final = 2.0
"""Seconds for which `close` waits."""


class MountedWarnings:
    """Looks, after calls were answered, whether their snapshots are mounted, and logs those that are.

    Only this process's own mount namespace is looked at, by a thread that is started when it is first needed. It
    takes all that wait together, and a twentieth of a processor at most.
    """

    def __init__(self, root: str) -> None:
        """Look for mounts of what is in a data root.

        Args:
            root: The data root, with `snapshots/ID` and, of removed snapshots, `trash/ID-…` in it.
        """
        self._root = root
        self._asked: queue.SimpleQueue[tuple[Record, str] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self, record: Record, message: str) -> None:
        """Look soon whether a snapshot is mounted.

        Args:
            record: The snapshot.
            message: What to log if it is: `COMMITTED` or `REMOVED`.
        """
        self._asked.put((record, message))
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Stop looking. Closing twice does nothing."""
        with self._starting:
            self._closed.set()
            self._asked.put(None)
            if self._thread is not None:
                self._thread.join(_PATIENCE)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                name = f"mounted {self._root}"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()

    def _work(self) -> None:
        with use(CallContext()):
            while asked := self._next():
                started = time.monotonic()
                try:
                    self._look(asked)
                except (Error, OSError) as error:
                    _log.warning("cannot see whether snapshots are mounted", exc_info=error)
                self._closed.wait(_REST * (time.monotonic() - started))

    def _next(self) -> list[tuple[Record, str]]:
        """Wait for something to look for, and return all that there is; nothing when this is closed."""
        found = [self._asked.get()]
        self._closed.wait(DELAY)
        while not self._asked.empty():
            found.append(self._asked.get())
        return [] if self._closed.is_set() else [one for one in found if one is not None]

    def _look(self, asked: list[tuple[Record, str]]) -> None:
        mounted = self._mounted({record.id for record, _ in asked})
        for record, message in asked:
            # Since the commit, others may have mounted it as it should be: as a view, or below a child.
            seen = mounted[True] if message is COMMITTED else {**mounted[False], **mounted[True]}
            if record.id in seen:
                named = {"key": record.info.name, "id": record.id, "mount_point": seen[record.id]}
                _log.warning(message, extra=named)

    def _mounted(self, ids: set[int]) -> Mapping[bool, Mapping[int, str]]:
        """Where something of snapshots with these identifiers is mounted: to be written to, or only read."""
        mentioned = [f"/{name}" for id_ in ids for name in (f"snapshots/{id_}", f"trash/{id_}-")]
        found: dict[bool, dict[int, str]] = {True: {}, False: {}}
        for info in mountinfo(mentioning=mentioned):
            if not info.mount_point.startswith(f"{self._root}/"):  # what a backend itself mounts for a moment
                for id_, is_writable in self._shown(info):
                    if id_ in ids:
                        found[is_writable].setdefault(id_, info.mount_point)
        return found

    def _shown(self, info: MountInfo) -> Iterator[tuple[int, bool]]:
        """The identifiers of snapshots that a mount shows, and whether what is written there changes them."""
        is_writable = "rw" in info.options
        if info.type == "overlay":
            try:
                directories = overlay_directories(info.super_options)
            except InvalidArgument:  # none of this project's
                return
            shown = [(self._root, directories.upper, is_writable)]
            shown += [(self._root, path, False) for path in directories.lower]
        else:
            around = lookup(self._root)
            if info.device != around.device:
                return
            inside = os.path.relpath(os.path.realpath(self._root), around.mount_point)
            shown = [(os.path.normpath(os.path.join(around.root, inside)), info.root, is_writable)]
        for root, path, writes in shown:
            if match := re.match(_SNAPSHOT % re.escape(root), path):
                yield int(match[1] or match[2]), writes
