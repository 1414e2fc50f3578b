"""`lamina.services.transfer.v1.Transfer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from google.protobuf.message import Message

from lamina import api  # the conversions are looked up in calls, since few starts need them
from lamina.api import Method, Service, Target, encode
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

_TARGET = Target("transfer")
"""Has workers of its own: the work may take minutes."""


class TransferService:
    """Imports and unpacks images for clients, and sends them the progress."""

    def __init__(self, transfer: Callable[[], Transfer]) -> None:
        """Create the service.

        Args:
            transfer: Returns what does the work, or raises the reason why it is not available.
        """
        self._transfer = transfer
        self.service = Service(
            name="lamina.services.transfer.v1.Transfer",
            methods=(
                _long("Import", pb.ImportRequest, self._import, path="archive", snapshotter="snapshotter"),
                _long("Pull", pb.PullRequest, self._pull, name="image", snapshotter="snapshotter"),
                _long("Push", pb.PushRequest, self._push, name="image", to="to"),
                _long("Unpack", pb.UnpackRequest, self._unpack, name="image", snapshotter="snapshotter"),
                _long(
                    "Commit",
                    pb.CommitRequest,
                    self._commit,
                    snapshot="key",
                    name="image",
                    snapshotter="snapshotter",
                ),
                Method("Edit", pb.EditRequest, self._edit, slow=True, logged={"name": "image", "new_name": "new"}),
                Method("Tag", pb.TagRequest, self._tag, slow=True, logged={"name": "image", "new_name": "new"}),
                _long("Export", pb.ExportRequest, self._export, path="archive"),
                Method("Resolve", pb.ResolveRequest, self._resolve, slow=True, logged={"name": "image"}),
                _long("Verify", pb.VerifyRequest, self._verify),
            ),
        )

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
                access=api.access_from_proto(request.access, request.name),
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
                access=api.access_from_proto(request.access, request.to or request.name),
                progress=report,
            ),
            lambda done: {"name": done.name, "target": api.descriptor_to_proto(done.target)},
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
                changes=api.config_changes_from_proto(request.changes),
                message=request.message,
                compression=cast("LayerCompression", request.compression or "gzip"),
                live=request.live,
                source_date_epoch=_epoch(request),
                progress=report,
            ),
            lambda done: {"image": api.image_to_proto(done)},
        )

    def _edit(self, request: pb.EditRequest) -> pb.EditResponse:
        made = self._transfer().edit(
            request.name,
            request.new_name,
            changes=api.config_changes_from_proto(request.changes),
            message=request.message,
            platform=request.platform,
            source_date_epoch=_epoch(request),
        )
        return encode(pb.EditResponse, image=api.image_to_proto(made))

    def _tag(self, request: pb.TagRequest) -> pb.TagResponse:
        made = self._transfer().tag(request.name, request.new_name, force=request.force)
        return encode(pb.TagResponse, image=api.image_to_proto(made))

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
            lambda done: {"images": map(api.image_to_proto, done.images), "size": done.size},
        )

    def _resolve(self, request: pb.ResolveRequest) -> pb.ResolveResponse:
        return _resolved(self._transfer().resolve(request.name, platform=request.platform))

    def _verify(self, request: pb.VerifyRequest) -> Iterator[pb.VerifyResponse]:
        for one in self._transfer().verify(*request.digests):
            yield encode(pb.VerifyResponse, digest=one.digest, size=one.size, problem=one.problem)


def _long(
    name: str, request: type[Message], handler: Callable[[Any], Iterator[Message]], /, **logged: str
) -> Method:
    """Return a method that streams its responses, and whose work may take minutes."""
    return Method(name, request, handler, streams=True, slow=True, target=lambda _: _TARGET, logged=logged)


def _stream(response: type[M], do: Callable[[Report], T], fields: Callable[[T], Mapping[str, Any]]) -> Iterator[M]:
    """Yield the progress of work, and its result with these fields."""
    with Work(do) as work:
        for changed in work.progress():
            yield encode(response, progress=map(_progress, changed))
        done = work.result()
    yield encode(response, **fields(done))


def _imported(done: Imported) -> Mapping[str, Any]:
    return {"images": map(api.image_to_proto, done.images), "unpacked": map(_unpacked, done.unpacked)}


def _epoch(request: pb.CommitRequest | pb.EditRequest) -> int | None:
    return request.source_date_epoch if request.HasField("source_date_epoch") else None


def _progress(one: Progress) -> pb.Progress:
    return encode(pb.Progress, digest=one.digest, what=one.what, done=one.done, total=one.total)


def _unpacked(one: Unpacked) -> pb.Unpacked:
    return encode(pb.Unpacked, image=one.image, snapshotter=one.snapshotter, chain_id=one.chain_id)


def _resolved(found: Resolved) -> pb.ResolveResponse:
    return encode(
        pb.ResolveResponse,
        image=api.image_to_proto(found.image),
        platform=found.platform,
        manifest=api.descriptor_to_proto(found.manifest),
        config=api.descriptor_to_proto(found.config),
        layers=map(api.descriptor_to_proto, found.layers),
        diff_ids=found.diff_ids,
        chain_id=found.chain_id,
    )
