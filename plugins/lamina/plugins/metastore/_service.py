"""`lamina.services.metastore.v1.Metastore`."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

from lamina.api import Method, Service, encode
from lamina.api.messages.metastore_pb2 import CopyRequest, CopyResponse
from lamina.errdefs import ResourceExhausted
from lamina.snapshots.storage import MetaStore

CHUNK: Final = 1 << 20
"""Bytes in a response."""
COPIES: Final = 4
"""How many copies may be on their way at a time: each takes as much space on disk as the metastore."""


class MetastoreService:
    """Hands out copies of a metastore."""

    def __init__(self, store: Callable[[], MetaStore]) -> None:
        """Serve a store.

        Args:
            store: Returns it, or raises why it is not there.
        """
        self._store = store
        self._copies = threading.BoundedSemaphore(COPIES)
        self.service = Service(
            name="lamina.services.metastore.v1.Metastore",
            methods=(Method("Copy", CopyRequest, self._copy, streams=True, slow=True),),
        )

    def _copy(self, _request: CopyRequest) -> Iterator[CopyResponse]:
        """Send a copy.

        It is made before it is sent: a transaction that lasts as long as its reader takes would keep LMDB from
        using any page again meanwhile.
        """
        with self._counted(), self._store().copy() as file:
            offset = 0
            while data := os.pread(file, CHUNK, offset):
                yield encode(CopyResponse, data=data)
                offset += len(data)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        if not self._copies.acquire(blocking=False):
            raise ResourceExhausted(f"{COPIES} copies of the metastore are being sent already: try again later")
        try:
            yield
        finally:
            self._copies.release()
