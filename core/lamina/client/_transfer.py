"""`ProxyTransfer`: work on images behind a socket."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

from lamina import api, images  # their names are looked up in calls, since a command needs few of them
from lamina.api import encode
from lamina.api.messages import transfer_pb2 as pb
from lamina.client._connection import M, ServiceClient
from lamina.images import Transfer

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from lamina.images import (
        ArchiveFormat,
        ConfigChanges,
        Exported,
        Image,
        Imported,
        LayerCompression,
        Pushed,
        Report,
        Resolved,
        Unpacked,
        Verified,
        What,
    )
    from lamina.registry import Access


class ProxyTransfer(ServiceClient, Transfer):
    """Forwards every call to a transfer service."""

    service = "lamina.services.transfer.v1.Transfer"

    def import_(
        self,
        path: str,
        *,
        names: Sequence[str] = (),
        platform: str = "",
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
        discard_layers: bool = False,
        progress: Report | None = None,
    ) -> Imported:
        """See `Transfer.import_`. A relative path is one of this process."""
        request = encode(
            pb.ImportRequest,
            path=os.path.abspath(path),
            names=names,
            platform=platform,
            all_platforms=all_platforms,
            no_unpack=not unpack,
            snapshotter=snapshotter,
            discard_layers=discard_layers,
        )
        return self._imported("Import", request, progress)

    def pull(
        self,
        name: str,
        *,
        new_name: str = "",
        platform: str = "",
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
        discard_layers: bool = False,
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Imported:
        """See `Transfer.pull`. The credentials are sent with the request; the host does not keep them."""
        request = encode(
            pb.PullRequest,
            name=name,
            new_name=new_name,
            platform=platform,
            all_platforms=all_platforms,
            no_unpack=not unpack,
            snapshotter=snapshotter,
            discard_layers=discard_layers,
            access=api.access_to_proto(access, name),
        )
        return self._imported("Pull", request, progress)

    def push(
        self,
        name: str,
        *,
        to: str = "",
        platform: str = "",
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Pushed:
        """See `Transfer.push`. The credentials are sent with the request; the host does not keep them."""
        sent = api.access_to_proto(access, to or name)
        request = encode(pb.PushRequest, name=name, to=to, platform=platform, access=sent)
        last = self._last("Push", request, pb.PushResponse, progress)
        return images.Pushed(last.name, api.descriptor_from_proto(last.target))

    def _imported(self, method: str, request: Message, progress: Report | None) -> Imported:
        last = self._last(method, request, pb.ImportResponse, progress)
        return images.Imported(tuple(map(api.image_from_proto, last.images)), tuple(map(_unpacked, last.unpacked)))

    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        request = encode(pb.UnpackRequest, name=name, platform=platform, snapshotter=snapshotter)
        return _unpacked(self._last("Unpack", request, pb.UnpackResponse, progress).unpacked)

    def commit(
        self,
        snapshot: str,
        name: str,
        *,
        snapshotter: str = "",
        base: str = "",
        changes: ConfigChanges | None = None,
        message: str = "",
        compression: LayerCompression = "gzip",
        live: bool = False,
        source_date_epoch: int | None = None,
        progress: Report | None = None,
    ) -> Image:
        request = encode(
            pb.CommitRequest,
            snapshot=snapshot,
            name=name,
            snapshotter=snapshotter,
            base=base,
            changes=api.config_changes_to_proto(changes or images.ConfigChanges()),
            message=message,
            compression=compression,
            live=live,
            source_date_epoch=source_date_epoch,
        )
        return api.image_from_proto(self._last("Commit", request, pb.CommitResponse, progress).image)

    def edit(
        self,
        name: str,
        new_name: str = "",
        *,
        changes: ConfigChanges,
        message: str = "",
        platform: str = "",
        source_date_epoch: int | None = None,
    ) -> Image:
        request = encode(
            pb.EditRequest,
            name=name,
            new_name=new_name,
            changes=api.config_changes_to_proto(changes),
            message=message,
            platform=platform,
            source_date_epoch=source_date_epoch,
        )
        return api.image_from_proto(self._call("Edit", request, pb.EditResponse).image)

    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        request = encode(pb.TagRequest, name=name, new_name=new_name, force=force)
        return api.image_from_proto(self._call("Tag", request, pb.TagResponse).image)

    def export(
        self,
        path: str,
        names: Sequence[str],
        *,
        format: ArchiveFormat = "oci",  # noqa: A002 - as in the contract
        platform: str = "",
        progress: Report | None = None,
    ) -> Exported:
        """See `Transfer.export`. A relative path is one of this process."""
        request = encode(
            pb.ExportRequest, path=os.path.abspath(path), names=names, format=format, platform=platform
        )
        last = self._last("Export", request, pb.ExportResponse, progress)
        return images.Exported(tuple(map(api.image_from_proto, last.images)), last.size)

    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        request = encode(pb.ResolveRequest, name=name, platform=platform)
        found = self._call("Resolve", request, pb.ResolveResponse)
        return images.Resolved(
            image=api.image_from_proto(found.image),
            platform=found.platform,
            manifest=api.descriptor_from_proto(found.manifest),
            config=api.descriptor_from_proto(found.config),
            layers=tuple(map(api.descriptor_from_proto, found.layers)),
            diff_ids=tuple(found.diff_ids),
            chain_id=found.chain_id,
        )

    def verify(self, *digests: str) -> Iterator[Verified]:
        request = encode(pb.VerifyRequest, digests=digests)
        for one in self._stream("Verify", request, pb.VerifyResponse):
            yield images.Verified(one.digest, one.size, one.problem)

    def _last(self, method: str, request: Message, response: type[M], report: Report | None) -> M:
        """Return the last message of a stream, and report the progress that all of them have."""
        last = response()
        for last in self._stream(method, request, response):
            changed: Iterable[pb.Progress] = last.progress  # type: ignore[attr-defined] # all responses have it
            if report is not None:
                for one in changed:
                    report(images.Progress(one.digest, cast("What", one.what), one.done, one.total))
        return last


def _unpacked(one: pb.Unpacked) -> Unpacked:
    return images.Unpacked(one.image, one.snapshotter, one.chain_id)
