"""Snapshotters with one fault each, and the check of the conformance suite that has to notice it."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import attrs
from backends import OVERLAY
from local_snapshotters import open_local
from overlays import open_overlay

from lamina.context import CallContext, current, use
from lamina.errdefs import AlreadyExists, Canceled, FailedPrecondition, HasChildren, InvalidArgument, NotFound
from lamina.fs import disk_usage
from lamina.mount import Mount
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Info, Kind, Snapshotter, Usage
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record
from lamina.testing import SnapshotterFactory


class Wrapper(Snapshotter):
    """Passes everything on."""

    def __init__(self, inner: Snapshotter) -> None:
        self.inner = inner

    def stat(self, key: str) -> Info:
        return self.inner.stat(key)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info, fieldpaths)

    def usage(self, key: str) -> Usage:
        return self.inner.usage(key)

    def mounts(self, key: str) -> list[Mount]:
        return self.inner.mounts(key)

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.prepare(key, parent, labels)

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.view(key, parent, labels)

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        self.inner.commit(name, key, labels, parent)

    def remove(self, key: str) -> None:
        self.inner.remove(key)

    def walk(self, *filters: str) -> Iterator[Info]:
        return self.inner.walk(*filters)

    def cleanup(self) -> None:
        self.inner.cleanup()

    def keyspace(self, name: str) -> Snapshotter:
        return self.inner.keyspace(name)

    def close(self) -> None:
        self.inner.close()


class FilterIgnored(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        self.inner.walk(*filters)
        return self.inner.walk()


class FilterErrorSwallowed(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        with contextlib.suppress(InvalidArgument):
            return self.inner.walk(*filters)
        return iter(())


class WalkUnsorted(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        return reversed(list(self.inner.walk(*filters)))


class WalkCutOff(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        return iter(list(self.inner.walk(*filters))[:100])


class LabelsInherited(Wrapper):
    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        self.inner.commit(name, key, {**self.inner.stat(key).labels, **(labels or {})}, parent)


class LabelLimitIgnored(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.prepare(key, parent, {k: v[:1000] for k, v in (labels or {}).items()})


class UpdatedNotMoved(Wrapper):
    def stat(self, key: str) -> Info:
        info = self.inner.stat(key)
        return attrs.evolve(info, updated=info.created)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        self.inner.update(info, fieldpaths)
        return self.stat(info.name)


class ImmutableFieldAccepted(Wrapper):
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info, tuple(path for path in fieldpaths if path.startswith("labels")))


class UpdateReplacesAll(Wrapper):
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info)


class KeyNotFreed(Wrapper):
    def __init__(self, inner: Snapshotter) -> None:
        super().__init__(inner)
        self.committed: dict[str, Info] = {}

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        info = self.inner.stat(key)
        self.inner.commit(name, key, labels, parent)
        self.committed[key] = info

    def stat(self, key: str) -> Info:
        return self.committed.get(key) or self.inner.stat(key)


class CreatedKept(Wrapper):
    """A committed snapshot says that it was made when its active one was."""

    def __init__(self, inner: Snapshotter) -> None:
        super().__init__(inner)
        self.created: dict[str, int] = {}

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        created = self.inner.stat(key).created
        self.inner.commit(name, key, labels, parent)
        self.created[name] = created

    def stat(self, key: str) -> Info:
        info = self.inner.stat(key)
        return attrs.evolve(info, created=self.created.get(key, info.created))


class ChildrenNotProtected(Wrapper):
    def remove(self, key: str) -> None:
        with contextlib.suppress(HasChildren):
            self.inner.remove(key)


class UsageAlwaysZero(Wrapper):
    def usage(self, key: str) -> Usage:
        self.inner.stat(key)
        return Usage()


class AlreadyExistsInsteadOfNotFound(Wrapper):
    def stat(self, key: str) -> Info:
        try:
            return self.inner.stat(key)
        except NotFound as error:
            raise AlreadyExists(str(error)) from error


class TwoWinners(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        try:
            return self.inner.prepare(key, parent, labels)
        except AlreadyExists:
            return self.inner.mounts(key)


class CancelledTooLate(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        context = current()
        with use(CallContext()):
            mounts = self.inner.prepare(key, parent, labels)
        if context.cancelled:
            raise Canceled("the caller gave up")
        return mounts


class ParentCheckedLast(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        for info in self.inner.walk():
            if info.name == key:
                raise AlreadyExists(key)
        return self.inner.prepare(key, parent, labels)


class CommittedMounts(Wrapper):
    def mounts(self, key: str) -> list[Mount]:
        if self.inner.stat(key).kind is Kind.COMMITTED:
            return []
        return self.inner.mounts(key)


class CloseFailsTwice(Wrapper):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise FailedPrecondition("closed already")
        self.closed = True
        self.inner.close()


class KeyspacesMixed(Wrapper):
    def keyspace(self, name: str) -> Snapshotter:
        return self


class ParentsReversed(OverlayBackend):
    def mounts(self, record: Record) -> list[Mount]:
        return super().mounts(attrs.evolve(record, parent_ids=record.parent_ids[::-1]))


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
        os.utime(root)


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


@contextlib.contextmanager
def open_wrapped(path: Path, wrapper: type[Wrapper]) -> Iterator[Snapshotter]:
    with open_overlay(path, sync_fs=False) as overlay:
        yield wrapper(overlay)


@contextlib.contextmanager
def open_forgetful(path: Path) -> Iterator[Snapshotter]:
    """Each time it is opened, it begins anew."""
    anew = path / str(len(os.listdir(path)))
    anew.mkdir()
    with open_overlay(anew, sync_fs=False) as overlay:
        yield overlay


@attrs.frozen
class Fault:
    """What is wrong, in a name, and the check that notices it, by its name and its parameter."""

    name: str
    open: Callable[[Path], contextlib.AbstractContextManager[Snapshotter]]
    check: str
    parameter: str = ""
    rebases: bool = True

    @property
    def factory(self) -> SnapshotterFactory:
        traits = attrs.evolve(OVERLAY.traits, rebase=self.rebases)
        return attrs.evolve(OVERLAY, name=self.name, open=self.open, traits=traits)


def wrapped(wrapper: type[Wrapper], check: str, parameter: str = "") -> Fault:
    return Fault(wrapper.__name__, functools.partial(open_wrapped, wrapper=wrapper), check, parameter)


def local(backend: type[Backend], check: str, parameter: str = "") -> Fault:
    def open_faulty(path: Path) -> contextlib.AbstractContextManager[Snapshotter]:
        return open_local(path / "metastore", backend(str(path / "overlay")), "overlay", sync_fs=False)

    return Fault(backend.__name__, open_faulty, check, parameter, backend.rebases)


FAULTS = (
    wrapped(FilterIgnored, "test_a_filter_by", "parent"),
    wrapped(FilterErrorSwallowed, "test_a_filter_that_is_none_is_refused", "name==a,"),
    wrapped(WalkUnsorted, "test_a_walk_is_in_byte_order"),
    wrapped(WalkCutOff, "test_a_walk_shows_everything_however_much_there_is"),
    wrapped(LabelsInherited, "test_commit_inherits_no_labels"),
    wrapped(LabelLimitIgnored, "test_a_label_cannot_be_longer_than_the_limit", "ASCII-prepare"),
    wrapped(UpdatedNotMoved, "test_an_update_changes_labels_and_time_alone", "active"),
    wrapped(ImmutableFieldAccepted, "test_only_labels_can_be_updated"),
    wrapped(UpdateReplacesAll, "test_an_update", "sets one"),
    wrapped(KeyNotFreed, "test_commit_frees_the_key"),
    wrapped(CreatedKept, "test_times_of_a_committed_snapshot_are_those_of_its_commit"),
    wrapped(ChildrenNotProtected, "test_a_parent_cannot_be_removed_before_its_child", "view"),
    wrapped(UsageAlwaysZero, "test_usage_of_a_committed_snapshot_counts_its_layer"),
    wrapped(AlreadyExistsInsteadOfNotFound, "test_what_does_not_exist_is_not_found", "stat"),
    wrapped(TwoWinners, "test_of_prepares_of_one_key_exactly_one_wins"),
    wrapped(CancelledTooLate, "test_a_cancelled_call_does_all_or_nothing", "prepare"),
    wrapped(ParentCheckedLast, "test_a_missing_parent_is_met_before_a_taken_key"),
    wrapped(CommittedMounts, "test_a_committed_snapshot_has_no_mounts"),
    wrapped(CloseFailsTwice, "test_closing_twice_is_closing_once"),
    wrapped(KeyspacesMixed, "test_what_is_in_one_keyspace_is_not_found_in_another"),
    Fault("forgetful", open_forgetful, "test_everything_is_there_after_closing_and_opening"),
    local(ParentsReversed, "test_content_and_mode_of_the_upper_layer_show"),
    local(WritableView, "test_in_a_view_nobody_can_write", "1"),
    local(RootClosed, "test_the_root_of_a_snapshot_on_nothing_has_mode_755"),
    local(RootModeForgotten, "test_the_root_keeps", "mode"),
    local(RootOwnerForgotten, "test_the_root_keeps", "owner"),
    local(RootAttributesForgotten, "test_the_root_keeps", "extended attributes"),
    local(RootAccessListForgotten, "test_the_root_keeps", "access control list"),
    local(RootTimeForgotten, "test_a_layer_may_change_nothing"),
    local(RootNotRebased, "test_a_rebased_layer_takes_its_parents_root"),
    local(WhiteoutsLost, "test_a_removed_file_stays_removed"),
    local(OpaqueMarksLost, "test_a_directory_made_again_hides_what_was_in_the_old_one"),
    local(UnpackedOntoBindMounts, "test_a_layer_that_is_unpacked_beside_its_parent_deletes_of_it"),
    local(MarksLeft, "test_what_the_first_layer_deletes_of_nothing_leaves_no_trace"),
    local(NothingDeleted, "test_cleanup_gives_back_what_removed_snapshots_held"),
    local(InodesShared, "test_a_parent_is_not_changed_by", "overwriting"),
    local(LinksSplit, "test_layers_keep", "hard links"),
    local(AttributesLost, "test_layers_keep", "extended attributes"),
    local(TimesLost, "test_layers_keep", "times"),
    local(OwnersLost, "test_layers_keep", "owners"),
    local(HolesFilled, "test_files_with_holes_keep_them"),
)
SOUND = (
    local(OverlayBackend, ""),
    local(CopyBackend, ""),
    wrapped(Wrapper, ""),
)
"""Without any fault: what the others are made of."""
