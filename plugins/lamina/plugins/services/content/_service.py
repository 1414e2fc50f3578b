"""`containerd.services.content.v1.Content`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from lamina.api import Handlers, blob_to_proto, encode, ingest_to_proto
from lamina.api.messages import content_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.content import ContentStore, Info
from lamina.errdefs import InvalidArgument, OutOfRange

MAX_CHUNK: Final = 100
"""Maximum number of blobs in one message of a list, as in containerd."""


class ContentService:
    """The blobs of a host, the same in all namespaces."""

    def __init__(self, content: Callable[[], ContentStore]) -> None:
        """Create the service.

        Args:
            content: Returns the store, or raises the reason why it is not available.
        """
        self._content = content
        self.handlers: Handlers = {
            "Info": (pb.InfoRequest, self._info),
            "Update": (pb.UpdateRequest, self._update),
            "List": (pb.ListContentRequest, self._list),
            "Delete": (pb.DeleteContentRequest, self._delete),
            "Read": (pb.ReadContentRequest, self._read),
            "Status": (pb.StatusRequest, self._status),
            "ListStatuses": (pb.ListStatusesRequest, self._list_statuses),
            "Abort": (pb.AbortRequest, self._abort),
        }

    def _info(self, request: pb.InfoRequest) -> pb.InfoResponse:
        return encode(pb.InfoResponse, info=blob_to_proto(self._content().info(request.digest)))

    def _update(self, request: pb.UpdateRequest) -> pb.UpdateResponse:
        if not request.HasField("info"):
            raise InvalidArgument("info argument missing")
        # Only labels can change. The timestamps are not read, since clients may send invalid ones.
        info = Info(digest=request.info.digest, labels=dict(request.info.labels))
        updated = self._content().update(info, tuple(request.update_mask.paths))
        return encode(pb.UpdateResponse, info=blob_to_proto(updated))

    def _list(self, request: pb.ListContentRequest) -> Iterator[pb.ListContentResponse]:
        found = map(blob_to_proto, self._content().walk(*request.filters))
        while chunk := list(itertools.islice(found, MAX_CHUNK)):
            yield encode(pb.ListContentResponse, info=chunk)

    def _delete(self, request: pb.DeleteContentRequest) -> Empty:
        self._content().delete(request.digest)
        return Empty()

    def _read(self, request: pb.ReadContentRequest) -> Iterator[pb.ReadContentResponse]:
        """Send a range of a blob, a piece at a time."""
        with self._content().open(request.digest) as blob:
            offset = max(0, request.offset)  # as in containerd
            end = offset + request.size if request.size > 0 else blob.size
            if not offset <= end <= blob.size:
                raise OutOfRange(
                    f"{request.digest}: cannot read {end - offset} bytes at {offset}: the blob has {blob.size}"
                )
            for piece in blob.pieces(offset):
                data = piece[: end - offset]
                yield encode(pb.ReadContentResponse, offset=offset, data=data)
                offset += len(data)
                if offset == end:
                    return

    def _status(self, request: pb.StatusRequest) -> pb.StatusResponse:
        return encode(pb.StatusResponse, status=ingest_to_proto(self._content().status(request.ref)))

    def _list_statuses(self, request: pb.ListStatusesRequest) -> pb.ListStatusesResponse:
        statuses = self._content().statuses(*request.filters)
        return encode(pb.ListStatusesResponse, statuses=map(ingest_to_proto, statuses))

    def _abort(self, request: pb.AbortRequest) -> Empty:
        self._content().abort(request.ref)
        return Empty()
