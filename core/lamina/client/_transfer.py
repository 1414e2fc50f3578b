"""`ProxyTransfer`: work on images behind a socket."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

from lamina.api import descriptor_from_proto, encode, image_from_proto
from lamina.api.messages import transfer_pb2 as pb
from lamina.client._connection import Connection
from lamina.images import Imported, Progress, Report, Resolved, Transfer, Unpacked, Verified

_SERVICE = "/lamina.services.transfer.v1.Transfer"


class ProxyTransfer(Transfer):
    """Forwards every call to a transfer service."""

    def __init__(self, connection: Connection) -> None:
        """Use an existing connection."""
        self._connection = connection

    def import_(
        self,
        path: str,
        *,
        names: Sequence[str] = (),
        platform: str = "",
        all_platforms: bool = False,
        unpack: bool = True,
        snapshotter: str = "",
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
        )
        last = pb.ImportResponse()
        for last in self._connection.stream(f"{_SERVICE}/Import", request, pb.ImportResponse):
            _report(last.progress, progress)
        return Imported(tuple(map(image_from_proto, last.images)), tuple(map(_unpacked, last.unpacked)))

    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        request = encode(pb.UnpackRequest, name=name, platform=platform, snapshotter=snapshotter)
        last = pb.UnpackResponse()
        for last in self._connection.stream(f"{_SERVICE}/Unpack", request, pb.UnpackResponse):
            _report(last.progress, progress)
        return _unpacked(last.unpacked)

    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        request = encode(pb.ResolveRequest, name=name, platform=platform)
        found = self._connection.unary(f"{_SERVICE}/Resolve", request, pb.ResolveResponse)
        return Resolved(
            image=image_from_proto(found.image),
            platform=found.platform,
            manifest=descriptor_from_proto(found.manifest),
            config=descriptor_from_proto(found.config),
            layers=tuple(map(descriptor_from_proto, found.layers)),
            diff_ids=tuple(found.diff_ids),
            chain_id=found.chain_id,
        )

    def verify(self, *digests: str) -> Iterator[Verified]:
        request = encode(pb.VerifyRequest, digests=digests)
        for one in self._connection.stream(f"{_SERVICE}/Verify", request, pb.VerifyResponse):
            yield Verified(one.digest, one.size, one.problem)


def _report(changed: Iterable[pb.Progress], report: Report | None) -> None:
    if report is None:
        return
    for one in changed:
        what = cast("Literal['import', 'unpack']", one.what)
        report(Progress(one.digest, what, one.done, one.total))


def _unpacked(one: pb.Unpacked) -> Unpacked:
    return Unpacked(one.image, one.snapshotter, one.chain_id)
