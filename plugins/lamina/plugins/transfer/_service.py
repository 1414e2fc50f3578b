"""`lamina.services.transfer.v1.Transfer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.protobuf.message import Message

from lamina.api import (
    Handlers,
    access_from_proto,
    config_changes_from_proto,
    descriptor_to_proto,
    encode,
    image_to_proto,
)
from lamina.api.messages import transfer_pb2 as pb
from lamina.plugins.transfer._work import Work

if TYPE_CHECKING:
    from lamina.images import (
        ArchiveFormat,
        Imported,
        LayerCompression,
        Progress,
        Report,
        Resolved,
        Transfer,
        Unpacked,
    )

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class TransferService:
    """Imports and unpacks images for clients, and sends them the progress."""

    def __init__(self, transfer: Callable[[], Transfer]) -> None:
        """Create the service.

        Args:
            transfer: Returns the transfer, or raises the reason why it is not available.
        """
        self._transfer = transfer
        self.handlers: Handlers = {
            "Import": (pb.ImportRequest, self._import),
            "Pull": (pb.PullRequest, self._pull),
            "Push": (pb.PushRequest, self._push),
            "Unpack": (pb.UnpackRequest, self._unpack),
            "Commit": (pb.CommitRequest, self._commit),
            "Edit": (pb.EditRequest, self._edit),
            "Tag": (pb.TagRequest, self._tag),
            "Export": (pb.ExportRequest, self._export),
            "Resolve": (pb.ResolveRequest, self._resolve),
            "Verify": (pb.VerifyRequest, self._verify),
        }

    def _import(self, request: pb.ImportRequest) -> Iterator[pb.ImportResponse]:
        return _stream(
            pb.ImportResponse,
            lambda report: self._transfer().import_(
                request.path,
                names=tuple(request.names),
                platform=request.platform,
                all_platforms=request.all_platforms,
                unpack=not request.no_unpack,
                snapshotter=request.snapshotter,
                discard_layers=request.discard_layers,
                progress=report,
            ),
            _imported,
        )

    def _pull(self, request: pb.PullRequest) -> Iterator[pb.ImportResponse]:
        return _stream(
            pb.ImportResponse,
            lambda report: self._transfer().pull(
                request.name,
                new_name=request.new_name,
                platform=request.platform,
                all_platforms=request.all_platforms,
                unpack=not request.no_unpack,
                snapshotter=request.snapshotter,
                discard_layers=request.discard_layers,
                access=access_from_proto(request.access, request.name),
                progress=report,
            ),
            _imported,
        )

    def _push(self, request: pb.PushRequest) -> Iterator[pb.PushResponse]:
        return _stream(
            pb.PushResponse,
            lambda report: self._transfer().push(
                request.name,
                to=request.to,
                platform=request.platform,
                access=access_from_proto(request.access, request.to or request.name),
                progress=report,
            ),
            lambda done: {"name": done.name, "target": descriptor_to_proto(done.target)},
        )

    def _unpack(self, request: pb.UnpackRequest) -> Iterator[pb.UnpackResponse]:
        return _stream(
            pb.UnpackResponse,
            lambda report: self._transfer().unpack(
                request.name, platform=request.platform, snapshotter=request.snapshotter, progress=report
            ),
            lambda done: {"unpacked": _unpacked(done)},
        )

    def _commit(self, request: pb.CommitRequest) -> Iterator[pb.CommitResponse]:
        return _stream(
            pb.CommitResponse,
            lambda report: self._transfer().commit(
                request.snapshot,
                request.name,
                snapshotter=request.snapshotter,
                base=request.base,
                changes=config_changes_from_proto(request.changes),
                message=request.message,
                compression=cast("LayerCompression", request.compression or "gzip"),
                live=request.live,
                source_date_epoch=_epoch(request),
                progress=report,
            ),
            lambda done: {"image": image_to_proto(done)},
        )

    def _edit(self, request: pb.EditRequest) -> pb.EditResponse:
        made = self._transfer().edit(
            request.name,
            request.new_name,
            changes=config_changes_from_proto(request.changes),
            message=request.message,
            platform=request.platform,
            source_date_epoch=_epoch(request),
        )
        return encode(pb.EditResponse, image=image_to_proto(made))

    def _tag(self, request: pb.TagRequest) -> pb.TagResponse:
        made = self._transfer().tag(request.name, request.new_name, force=request.force)
        return encode(pb.TagResponse, image=image_to_proto(made))

    def _export(self, request: pb.ExportRequest) -> Iterator[pb.ExportResponse]:
        return _stream(
            pb.ExportResponse,
            lambda report: self._transfer().export(
                request.path,
                tuple(request.names),
                format=cast("ArchiveFormat", request.format or "oci"),
                platform=request.platform,
                progress=report,
            ),
            lambda done: {"images": map(image_to_proto, done.images), "size": done.size},
        )

    def _resolve(self, request: pb.ResolveRequest) -> pb.ResolveResponse:
        return _resolved(self._transfer().resolve(request.name, platform=request.platform))

    def _verify(self, request: pb.VerifyRequest) -> Iterator[pb.VerifyResponse]:
        for one in self._transfer().verify(*request.digests):
            yield encode(pb.VerifyResponse, digest=one.digest, size=one.size, problem=one.problem)


def _stream(response: type[M], do: Callable[[Report], T], fields: Callable[[T], Mapping[str, Any]]) -> Iterator[M]:
    """Yield the progress of work, and its result with these fields."""
    with Work(do) as work:
        for changed in work.progress():
            yield encode(response, progress=map(_progress, changed))
        done = work.result()
    yield encode(response, **fields(done))


def _imported(done: Imported) -> Mapping[str, Any]:
    return {"images": map(image_to_proto, done.images), "unpacked": map(_unpacked, done.unpacked)}


def _epoch(request: pb.CommitRequest | pb.EditRequest) -> int | None:
    return request.source_date_epoch if request.HasField("source_date_epoch") else None


def _progress(one: Progress) -> pb.Progress:
    return encode(pb.Progress, digest=one.digest, what=one.what, done=one.done, total=one.total)


def _unpacked(one: Unpacked) -> pb.Unpacked:
    return encode(pb.Unpacked, image=one.image, snapshotter=one.snapshotter, chain_id=one.chain_id)


def _resolved(found: Resolved) -> pb.ResolveResponse:
    return encode(
        pb.ResolveResponse,
        image=image_to_proto(found.image),
        platform=found.platform,
        manifest=descriptor_to_proto(found.manifest),
        config=descriptor_to_proto(found.config),
        layers=map(descriptor_to_proto, found.layers),
        diff_ids=found.diff_ids,
        chain_id=found.chain_id,
    )
