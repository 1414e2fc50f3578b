"""Backends with one fault each in the trees that they make."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess

import attrs

from lamina.fs import disk_usage
from lamina.mount import Mount
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Kind, Usage
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record


class ParentsReversed(OverlayBackend):
    def mounts(self, record: Record) -> list[Mount]:
        return super().mounts(record._replace(parent_ids=record.parent_ids[::-1]))


class WritableView(OverlayBackend):
    def mounts(self, record: Record) -> list[Mount]:
        mounts = super().mounts(record)
        return [attrs.evolve(m, options=tuple("rw" if o == "ro" else o for o in m.options)) for m in mounts]


class RootClosed(OverlayBackend):
    def create(self, record: Record, path: str) -> None:
        super().create(record, path)
        os.chmod(os.path.join(path, "fs"), 0o700)


class RootForgotten(OverlayBackend):
    """The root of a snapshot lacks something of the parent's."""

    def create(self, record: Record, path: str) -> None:
        super().create(record, path)
        if record.parent_ids:
            root = f"{path}/fs"
            self.forget(root, os.stat(root))

    def forget(self, root: str, status: os.stat_result) -> None:
        raise NotImplementedError


class RootModeForgotten(RootForgotten):
    def forget(self, root: str, status: os.stat_result) -> None:
        os.chmod(root, 0o755)


class RootOwnerForgotten(RootForgotten):
    def forget(self, root: str, status: os.stat_result) -> None:
        os.chown(root, 0, 0)


class RootAttributesForgotten(RootForgotten):
    def forget(self, root: str, status: os.stat_result) -> None:
        for name in os.listxattr(root):
            os.removexattr(root, name)


class RootAccessListForgotten(RootForgotten):
    def forget(self, root: str, status: os.stat_result) -> None:
        if "system.posix_acl_access" in os.listxattr(root):
            os.removexattr(root, "system.posix_acl_access")
            os.chmod(root, stat.S_IMODE(status.st_mode))


class RootTimeForgotten(RootForgotten):
    def forget(self, root: str, status: os.stat_result) -> None:
        os.utime(root, ns=(0, 0))  # the present time may be the parent's: the kernel's clock for files is coarse


class RootNotRebased(OverlayBackend):
    def rebase(self, record: Record) -> None:
        pass


class WhiteoutsLost(OverlayBackend):
    def commit(self, record: Record) -> None:
        for directory, _, files in os.walk(self._upper(record.id)):
            for path in (os.path.join(directory, name) for name in files):
                status = os.lstat(path)
                if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                    os.unlink(path)


class OpaqueMarksLost(OverlayBackend):
    def commit(self, record: Record) -> None:
        for directory, _, _ in os.walk(self._upper(record.id)):
            with contextlib.suppress(OSError):
                os.removexattr(directory, "trusted.overlay.opaque")


class UnpackedOntoBindMounts(OverlayBackend):
    """As containerd's own overlay snapshotter has it."""

    def mounts(self, record: Record) -> list[Mount]:
        if record.parent_ids:
            return super().mounts(record)
        return [Mount("bind", self._upper(record.id), ("rw", "rbind"))]


class MarksLeft(OverlayBackend):
    def finish(self, record: Record) -> Usage:
        return self.usage(record)


class NothingDeleted(OverlayBackend):
    def destroy(self, path: str) -> None:
        pass


class CopyBackend(Backend):
    """Copies trees with cp(1)."""

    options: tuple[str, ...] = ()

    def create(self, record: Record, path: str) -> None:
        if record.parent_ids:
            parent = self.path(record.parent_ids[0])
            subprocess.run(["cp", "--archive", *self.options, parent, path], check=True, capture_output=True)
        else:
            os.mkdir(path)
            os.chmod(path, 0o755)

    def mounts(self, record: Record) -> list[Mount]:
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount(type="bind", source=self.path(record.id), options=("rbind", access))]

    def usage(self, record: Record) -> Usage:
        return Usage(*disk_usage(self.path(record.id)))


class InodesShared(CopyBackend):
    options = ("--link",)


class LinksSplit(CopyBackend):
    options = ("--no-preserve=links",)


class AttributesLost(CopyBackend):
    options = ("--no-preserve=xattr",)


class TimesLost(CopyBackend):
    options = ("--no-preserve=timestamps",)


class OwnersLost(CopyBackend):
    options = ("--no-preserve=ownership",)


class HolesFilled(CopyBackend):
    options = ("--sparse=never", "--reflink=never")
