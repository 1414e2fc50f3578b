"""`lamina.services.metastore.v1.Metastore`."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

from lamina.api import Handlers, encode
from lamina.api.messages.metastore_pb2 import CopyRequest, CopyResponse
from lamina.errdefs import ResourceExhausted
from lamina.snapshots.storage import MetaStore

CHUNK: Final = 1 << 20
"""Size of a response in bytes."""
MAX_COPIES: Final = 4
"""Maximum number of copies at a time, each of which takes as much disk space as the metastore."""


class MetastoreService:
    """Sends copies of a metastore."""

    def __init__(self, store: Callable[[], MetaStore]) -> None:
        """Create the service.

        Args:
            store: Returns the metastore, or raises the reason why it is not available.
        """
        self._store = store
        self._copies = threading.BoundedSemaphore(MAX_COPIES)
        self.handlers: Handlers = {"Copy": (CopyRequest, self._copy)}

    def _copy(self, _request: CopyRequest) -> Iterator[CopyResponse]:
        """Send a copy, which is complete before the first response.

        A transaction held while a client reads would keep LMDB from reusing pages.
        """
        with self._counted(), self._store().copy() as file:
            offset = 0
            while data := os.pread(file, CHUNK, offset):
                yield encode(CopyResponse, data=data)
                offset += len(data)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        if not self._copies.acquire(blocking=False):
            raise ResourceExhausted(
                f"{MAX_COPIES} copies of the metastore are being sent already: try again later"
            )
        try:
            yield
        finally:
            self._copies.release()
