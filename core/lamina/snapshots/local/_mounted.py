"""Warnings about snapshots that were committed or removed while mounted."""

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

COMMITTED: Final = "committed a snapshot that is mounted: writes to the mount may still change the committed tree"
REMOVED: Final = "removed a snapshot that is mounted: its files are being deleted"
DELAY: Final = 0.1
"""Seconds during which calls are collected: waking the thread for each would cost more than the look itself."""
_REST: Final = 19
"""The pause after reading all mounts, as a multiple of the processor time that it took (4 ms for a thousand)."""
_SNAPSHOT: Final = r"%s/(?:snapshots/(\d+)|trash/(\d+)-[^/]*)(?:/|\Z)"
"""Matches paths in the data of a snapshot, once formatted with the data root."""
_PATIENCE: Final = 2.0
"""Seconds for which `close` waits."""


class MountedWarnings:
    """Checks, after calls were answered, whether their snapshots are mounted, and logs those that are.

    A thread, started when first needed, reads the mounts of this process's own mount namespace: once for all
    snapshots that wait, and using at most a twentieth of a processor.
    """

    def __init__(self, root: str) -> None:
        """Look for mounts of data in a data root.

        Args:
            root: The data root, with `snapshots/ID` and, for removed snapshots, `trash/ID-…`.
        """
        self._root = root
        self._queue: queue.SimpleQueue[tuple[Record, str] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self, record: Record, message: str) -> None:
        """Check soon whether a snapshot is mounted.

        Args:
            record: The snapshot.
            message: The warning to log if it is: `COMMITTED` or `REMOVED`.
        """
        self._queue.put((record, message))
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Stop the thread. Closing twice does nothing."""
        with self._starting:
            self._closed.set()
            self._queue.put(None)
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
            while queued := self._next():
                used = time.thread_time()
                try:
                    self._check(queued)
                except (Error, OSError) as error:
                    _log.warning("cannot check whether snapshots are mounted", exc_info=error)
                self._closed.wait(_REST * (time.thread_time() - used))

    def _next(self) -> list[tuple[Record, str]]:
        """Wait for a snapshot to check, and return all that are queued; return nothing once closed."""
        found = [self._queue.get()]
        self._closed.wait(DELAY)
        while not self._queue.empty():
            found.append(self._queue.get())
        return [] if self._closed.is_set() else [one for one in found if one is not None]

    def _check(self, queued: list[tuple[Record, str]]) -> None:
        mounted = self._mounted({record.id for record, _ in queued})
        for record, message in queued:
            # A committed snapshot may rightly be mounted read-only: as a view, or below a child.
            seen = mounted[True] if message is COMMITTED else {**mounted[False], **mounted[True]}
            if record.id in seen:
                named = {"key": record.info.name, "id": record.id, "mount_point": seen[record.id]}
                _log.warning(message, extra=named)

    def _mounted(self, ids: set[int]) -> Mapping[bool, Mapping[int, str]]:
        """Return the mount points of snapshots by identifier: writable ones under True, read-only under False."""
        mentioned = [f"/{name}" for id_ in ids for name in (f"snapshots/{id_}", f"trash/{id_}-")]
        found: dict[bool, dict[int, str]] = {True: {}, False: {}}
        for info in mountinfo(mentioning=mentioned):
            if not info.mount_point.startswith(f"{self._root}/"):  # a temporary mount of a backend
                for id_, is_writable in self._shown(info):
                    if id_ in ids:
                        found[is_writable].setdefault(id_, info.mount_point)
        return found

    def _shown(self, info: MountInfo) -> Iterator[tuple[int, bool]]:
        """Yield the identifiers of snapshots that a mount shows, each with whether writes to it change them."""
        is_writable = "rw" in info.options
        if info.type == "overlay":
            try:
                directories = overlay_directories(info.super_options)
            except InvalidArgument:  # not lamina's
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
