"""`containerd.services.content.v1.Content`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Final

from lamina import api  # the conversions are looked up in calls, since few starts need them
from lamina.api import Method, Service, encode
from lamina.api.messages import content_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.content import ContentStore, Info
from lamina.errdefs import InvalidArgument, OutOfRange

MAX_CHUNK: Final = 100
"""Maximum number of blobs in one message of a list, as in containerd."""

_LOGGED = {"digest": "digest", "info.digest": "digest", "ref": "ref"}
"""Fields of requests that identify blobs and ingests, and their names in log lines."""


class ContentService:
    """The blobs of a host, the same in all namespaces. containerd's `Write` is missing: its client streams."""

    def __init__(self, content: Callable[[], ContentStore]) -> None:
        """Create the service.

        Args:
            content: Returns the store, or raises the reason why it is not available.
        """
        self._content = content
        self.service = Service(
            name="containerd.services.content.v1.Content",
            methods=(
                Method("Info", pb.InfoRequest, self._info, slow=True, logged=_LOGGED),
                Method("Update", pb.UpdateRequest, self._update, slow=True, logged=_LOGGED),
                Method("List", pb.ListContentRequest, self._list, streams=True, slow=True),
                Method("Delete", pb.DeleteContentRequest, self._delete, slow=True, logged=_LOGGED),
                Method("Read", pb.ReadContentRequest, self._read, streams=True, slow=True, logged=_LOGGED),
                Method("Status", pb.StatusRequest, self._status, slow=True, logged=_LOGGED),
                Method("ListStatuses", pb.ListStatusesRequest, self._list_statuses, slow=True),
                Method("Abort", pb.AbortRequest, self._abort, slow=True, logged=_LOGGED),
            ),
        )

    def _info(self, request: pb.InfoRequest) -> pb.InfoResponse:
        return encode(pb.InfoResponse, info=api.blob_to_proto(self._content().info(request.digest)))

    def _update(self, request: pb.UpdateRequest) -> pb.UpdateResponse:
        if not request.HasField("info"):
            raise InvalidArgument("info argument missing")
        # Only labels can change. The timestamps are not read, since clients may send invalid ones.
        info = Info(digest=request.info.digest, labels=dict(request.info.labels))
        updated = self._content().update(info, tuple(request.update_mask.paths))
        return encode(pb.UpdateResponse, info=api.blob_to_proto(updated))

    def _list(self, request: pb.ListContentRequest) -> Iterator[pb.ListContentResponse]:
        found = map(api.blob_to_proto, self._content().walk(*request.filters))
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
        return encode(pb.StatusResponse, status=api.ingest_to_proto(self._content().status(request.ref)))

    def _list_statuses(self, request: pb.ListStatusesRequest) -> pb.ListStatusesResponse:
        statuses = self._content().statuses(*request.filters)
        return encode(pb.ListStatusesResponse, statuses=map(api.ingest_to_proto, statuses))

    def _abort(self, request: pb.AbortRequest) -> Empty:
        self._content().abort(request.ref)
        return Empty()
