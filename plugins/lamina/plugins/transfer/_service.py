"""`lamina.services.transfer.v1.Transfer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from lamina.api import (
    Method,
    Service,
    Target,
    access_from_proto,
    config_changes_from_proto,
    descriptor_to_proto,
    encode,
    image_to_proto,
)
from lamina.api.messages import transfer_pb2 as pb
from lamina.images import ArchiveFormat, Imported, LayerCompression, Progress, Resolved, Transfer, Unpacked
from lamina.plugins.transfer._work import Work

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
                Method(
                    "Import",
                    pb.ImportRequest,
                    self._import,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"path": "archive", "snapshotter": "snapshotter"},
                ),
                Method(
                    "Pull",
                    pb.PullRequest,
                    self._pull,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"name": "image", "snapshotter": "snapshotter"},
                ),
                Method(
                    "Push",
                    pb.PushRequest,
                    self._push,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"name": "image", "to": "to"},
                ),
                Method(
                    "Unpack",
                    pb.UnpackRequest,
                    self._unpack,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"name": "image", "snapshotter": "snapshotter"},
                ),
                Method(
                    "Commit",
                    pb.CommitRequest,
                    self._commit,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"snapshot": "key", "name": "image", "snapshotter": "snapshotter"},
                ),
                Method("Edit", pb.EditRequest, self._edit, slow=True, logged={"name": "image", "new_name": "new"}),
                Method("Tag", pb.TagRequest, self._tag, slow=True, logged={"name": "image", "new_name": "new"}),
                Method(
                    "Export",
                    pb.ExportRequest,
                    self._export,
                    streams=True,
                    slow=True,
                    target=_target,
                    logged={"path": "archive"},
                ),
                Method("Resolve", pb.ResolveRequest, self._resolve, slow=True, logged={"name": "image"}),
                Method("Verify", pb.VerifyRequest, self._verify, streams=True, slow=True, target=_target),
            ),
        )

    def _import(self, request: pb.ImportRequest) -> Iterator[pb.ImportResponse]:
        transfer = self._transfer()
        with Work(
            lambda report: transfer.import_(
                request.path,
                names=tuple(request.names),
                platform=request.platform,
                all_platforms=request.all_platforms,
                unpack=not request.no_unpack,
                snapshotter=request.snapshotter,
                discard_layers=request.discard_layers,
                progress=report,
            )
        ) as work:
            yield from _imported(work)

    def _pull(self, request: pb.PullRequest) -> Iterator[pb.ImportResponse]:
        transfer = self._transfer()
        with Work(
            lambda report: transfer.pull(
                request.name,
                new_name=request.new_name,
                platform=request.platform,
                all_platforms=request.all_platforms,
                unpack=not request.no_unpack,
                snapshotter=request.snapshotter,
                discard_layers=request.discard_layers,
                access=access_from_proto(request.access, request.name),
                progress=report,
            )
        ) as work:
            yield from _imported(work)

    def _push(self, request: pb.PushRequest) -> Iterator[pb.PushResponse]:
        transfer = self._transfer()
        with Work(
            lambda report: transfer.push(
                request.name,
                to=request.to,
                platform=request.platform,
                access=access_from_proto(request.access, request.to or request.name),
                progress=report,
            )
        ) as work:
            for progress in work.progress():
                yield encode(pb.PushResponse, progress=_progress(progress))
            done = work.result()
        yield encode(pb.PushResponse, name=done.name, target=descriptor_to_proto(done.target))

    def _unpack(self, request: pb.UnpackRequest) -> Iterator[pb.UnpackResponse]:
        transfer = self._transfer()
        with Work(
            lambda report: transfer.unpack(
                request.name, platform=request.platform, snapshotter=request.snapshotter, progress=report
            )
        ) as work:
            for progress in work.progress():
                yield encode(pb.UnpackResponse, progress=_progress(progress))
            done = work.result()
        yield encode(pb.UnpackResponse, unpacked=_unpacked(done))

    def _commit(self, request: pb.CommitRequest) -> Iterator[pb.CommitResponse]:
        transfer = self._transfer()
        changes = config_changes_from_proto(request.changes)
        with Work(
            lambda report: transfer.commit(
                request.snapshot,
                request.name,
                snapshotter=request.snapshotter,
                base=request.base,
                changes=changes,
                message=request.message,
                compression=cast("LayerCompression", request.compression or "gzip"),
                live=request.live,
                source_date_epoch=_epoch(request),
                progress=report,
            )
        ) as work:
            for progress in work.progress():
                yield encode(pb.CommitResponse, progress=_progress(progress))
            done = work.result()
        yield encode(pb.CommitResponse, image=image_to_proto(done))

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
        transfer = self._transfer()
        with Work(
            lambda report: transfer.export(
                request.path,
                tuple(request.names),
                format=cast("ArchiveFormat", request.format or "oci"),
                platform=request.platform,
                progress=report,
            )
        ) as work:
            for progress in work.progress():
                yield encode(pb.ExportResponse, progress=_progress(progress))
            done = work.result()
        yield encode(pb.ExportResponse, images=map(image_to_proto, done.images), size=done.size)

    def _resolve(self, request: pb.ResolveRequest) -> pb.ResolveResponse:
        return _resolved(self._transfer().resolve(request.name, platform=request.platform))

    def _verify(self, request: pb.VerifyRequest) -> Iterator[pb.VerifyResponse]:
        for one in self._transfer().verify(*request.digests):
            yield encode(pb.VerifyResponse, digest=one.digest, size=one.size, problem=one.problem)


def _imported(work: Work[Imported]) -> Iterator[pb.ImportResponse]:
    for progress in work.progress():
        yield encode(pb.ImportResponse, progress=_progress(progress))
    done = work.result()
    yield encode(
        pb.ImportResponse,
        images=map(image_to_proto, done.images),
        unpacked=map(_unpacked, done.unpacked),
    )


def _target(_request: object) -> Target:
    return _TARGET


def _epoch(request: pb.CommitRequest | pb.EditRequest) -> int | None:
    return request.source_date_epoch if request.HasField("source_date_epoch") else None


def _progress(changed: Sequence[Progress]) -> Iterator[pb.Progress]:
    for one in changed:
        yield encode(pb.Progress, digest=one.digest, what=one.what, done=one.done, total=one.total)


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
