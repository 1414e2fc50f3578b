"""`RemoteContent`: the blobs behind a socket."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.api import blob_from_proto, blob_to_proto, encode, ingest_from_proto
from lamina.api.messages import content_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.client._connection import ServiceClient
from lamina.content import Info, Status


class RemoteContent(ServiceClient):
    """The blobs of a content service. The methods are those of `lamina.content.ContentStore`, but for writing."""

    service = "containerd.services.content.v1.Content"

    def info(self, digest: str) -> Info:
        """See `ContentStore.info`."""
        request = encode(pb.InfoRequest, digest=digest)
        return blob_from_proto(self._call("Info", request, pb.InfoResponse).info)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """See `ContentStore.update`."""
        request = encode(
            pb.UpdateRequest,
            info=blob_to_proto(info),
            update_mask=encode(FieldMask, paths=fieldpaths) if fieldpaths else None,
        )
        return blob_from_proto(self._call("Update", request, pb.UpdateResponse).info)

    def walk(self, *filters: str) -> Iterator[Info]:
        """See `ContentStore.walk`. The timeout covers the whole walk, including the body of the caller's loop."""
        request = encode(pb.ListContentRequest, filters=filters)
        for response in self._stream("List", request, pb.ListContentResponse):
            yield from map(blob_from_proto, response.info)

    def delete(self, digest: str) -> None:
        """See `ContentStore.delete`."""
        self._call("Delete", encode(pb.DeleteContentRequest, digest=digest), Empty)

    def read(self, digest: str, offset: int = 0, size: int = 0) -> Iterator[bytes]:
        """Yield a range of a blob, in pieces.

        Args:
            digest: The digest of the blob.
            offset: Bytes from its start.
            size: Bytes; 0 for everything from the offset on.

        Raises:
            NotFound: There is no such blob.
            OutOfRange: The range exceeds the blob.
        """
        request = encode(pb.ReadContentRequest, digest=digest, offset=offset, size=size)
        for response in self._stream("Read", request, pb.ReadContentResponse):
            yield response.data

    def status(self, ref: str) -> Status:
        """See `ContentStore.status`."""
        request = encode(pb.StatusRequest, ref=ref)
        return ingest_from_proto(self._call("Status", request, pb.StatusResponse).status)

    def statuses(self, *filters: str) -> Iterator[Status]:
        """See `ContentStore.statuses`."""
        request = encode(pb.ListStatusesRequest, filters=filters)
        yield from map(ingest_from_proto, self._call("ListStatuses", request, pb.ListStatusesResponse).statuses)

    def abort(self, ref: str) -> None:
        """See `ContentStore.abort`."""
        self._call("Abort", encode(pb.AbortRequest, ref=ref), Empty)
