"""Each fault of a snapshotter, and the check of the conformance suite that has to notice it."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import Backend
from lamina.testing import SnapshotterFactory
from tests.support.conformance.faulty_backends import (
    AttributesLost,
    CopyBackend,
    HolesFilled,
    InodesShared,
    LinksSplit,
    MarksLeft,
    NothingDeleted,
    OpaqueMarksLost,
    OwnersLost,
    ParentsReversed,
    RootAccessListForgotten,
    RootAttributesForgotten,
    RootClosed,
    RootModeForgotten,
    RootNotRebased,
    RootOwnerForgotten,
    RootTimeForgotten,
    TimesLost,
    UnpackedOntoBindMounts,
    WhiteoutsLost,
    WritableView,
)
from tests.support.conformance.faulty_snapshotters import (
    AlreadyExistsInsteadOfNotFound,
    CancelledTooLate,
    ChildrenNotProtected,
    CloseFailsTwice,
    CommittedMounts,
    CreatedKept,
    FilterErrorSwallowed,
    FilterIgnored,
    ImmutableFieldAccepted,
    KeyNotFreed,
    KeyspacesMixed,
    LabelLimitIgnored,
    LabelsInherited,
    ParentCheckedLast,
    TwoWinners,
    UpdatedNotMoved,
    UpdateReplacesAll,
    UsageAlwaysZero,
    WalkCutOff,
    WalkUnsorted,
    Wrapper,
)
from tests.support.snapshotters.backends import OVERLAY
from tests.support.snapshotters.local import open_local
from tests.support.snapshotters.overlay import open_overlay


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
