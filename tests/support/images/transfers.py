"""A transfer that answers at once, or works until its call ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from lamina.content import Descriptor
from lamina.context import current
from lamina.errdefs import NotFound
from lamina.images import (
    ArchiveFormat,
    ConfigChanges,
    Exported,
    Image,
    Imported,
    LayerCompression,
    Progress,
    Pushed,
    Report,
    Resolved,
    Transfer,
    Unpacked,
    Verified,
)
from lamina.images.references import parse
from lamina.registry import Access

DIGEST = f"sha256:{'a' * 64}"
IMAGE = Image(
    "docker.io/library/debian:12",
    Descriptor("application/vnd.oci.image.manifest.v1+json", DIGEST, 7, {"x": "y"}),
    {"label": "1"},
    created=1,
    updated=2,
)
UNPACKED = Unpacked(IMAGE.name, "overlayfs/images/default", f"sha256:{'b' * 64}")
PUSHED = Pushed("localhost/debian:12", IMAGE.target)
RESOLVED = Resolved(
    IMAGE, "linux/arm64", IMAGE.target, IMAGE.target, (IMAGE.target, IMAGE.target), (DIGEST, DIGEST), DIGEST
)
VERIFIED = (Verified(DIGEST, 7), Verified(DIGEST, 8, "its data has another digest"))


class RecordedTransfer(Transfer):
    """Records what it is asked for and in which namespace, and returns the constants above."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.ended = threading.Event()
        """Set when work on the image `endless` has ended."""

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
        namespace = current().namespace
        self.asked.append((namespace, path, names, platform, all_platforms, unpack, snapshotter))
        self._work(path, progress)
        return Imported((IMAGE,), (UNPACKED,) if unpack else ())

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
        options = (new_name, platform, all_platforms, unpack, snapshotter)
        self.asked.append((current().namespace, name, *options, *_known(access, name)))
        self._work(name, progress)
        return Imported((IMAGE,), (UNPACKED,) if unpack else ())

    def push(
        self,
        name: str,
        *,
        to: str = "",
        platform: str = "",
        access: Access | None = None,
        progress: Report | None = None,
    ) -> Pushed:
        self.asked.append((current().namespace, name, to, platform, *_known(access, to or name)))
        self._work(name, progress)
        return PUSHED

    def unpack(
        self, name: str, *, platform: str = "", snapshotter: str = "", progress: Report | None = None
    ) -> Unpacked:
        self.asked.append((current().namespace, name, platform, snapshotter))
        self._work(name, progress)
        return UNPACKED

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
        options = snapshotter, base, changes, message, compression, live, source_date_epoch
        self.asked.append((current().namespace, snapshot, name, *options))
        self._work(snapshot, progress)
        return IMAGE

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
        self.asked.append(
            (current().namespace, name, new_name, changes, message, platform, source_date_epoch),
        )
        return IMAGE

    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        self.asked.append((current().namespace, name, new_name, force))
        return IMAGE

    def export(
        self,
        path: str,
        names: Sequence[str],
        *,
        format: ArchiveFormat = "oci",  # noqa: A002 - as in the contract
        platform: str = "",
        progress: Report | None = None,
    ) -> Exported:
        self.asked.append((current().namespace, path, names, format, platform))
        self._work(path, progress)
        return Exported((IMAGE,), 7)

    def resolve(self, name: str, *, platform: str = "") -> Resolved:
        self.asked.append((current().namespace, name, platform))
        return RESOLVED

    def verify(self, *digests: str) -> Iterator[Verified]:
        self.asked.append(digests)
        yield from VERIFIED

    def _work(self, what: str, report: Report | None) -> None:
        if what.endswith("missing"):
            raise NotFound(f"no image '{what}'")
        if report:
            report(Progress(DIGEST, "unpack", 1, 7))
        if what.endswith("endless"):
            cancelled = threading.Event()
            current().on_cancel(cancelled.set)
            cancelled.wait()
            self.ended.set()
            current().check()


def _known(access: Access | None, name: str) -> tuple[object, ...]:
    """What is known about a registry: the credentials, the certificates, and whether it has no TLS."""
    if access is None:
        return ()
    return access.credentials(parse(name).repository), access.ca_certificates, access.plain_http
