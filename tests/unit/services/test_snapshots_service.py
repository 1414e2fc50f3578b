"""The snapshots service's ten methods, called without a transport, on a real snapshotter."""

from __future__ import annotations

import functools

import pytest

from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.api.messages.snapshots_pb2 import ACTIVE, COMMITTED, VIEW, Info
from lamina.api.messages.timestamp_pb2 import Timestamp
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    Canceled,
    FilterSyntaxError,
    HasChildren,
    InvalidArgument,
    NotFound,
    Unimplemented,
)
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import MAX_CHUNK, MAX_CHUNK_BYTES, SnapshotsService
from tests.support.snapshotters.records import snapshotters_of

NAME = "lamina"


@pytest.fixture
def service(overlay):
    return SnapshotsService(Names(snapshotters_of({"overlayfs": overlay}), {NAME: "overlayfs"})).service


@pytest.fixture
def ask(service, call):
    """Calls a method for the snapshotter `lamina`."""
    return functools.partial(call, service, snapshotter=NAME)


@pytest.fixture
def lamina(overlay):
    return overlay.keyspace(NAME)


def listed(ask, *filters):
    return [info.name for response in ask("List", filters=filters) for info in response.info]


def test_the_methods_are_those_of_the_protocol(service):
    assert service.name == "containerd.services.snapshots.v1.Snapshots"
    assert {method.name for method in service.methods} == {
        "Prepare",
        "View",
        "Mounts",
        "Commit",
        "Remove",
        "Stat",
        "Update",
        "List",
        "Usage",
        "Cleanup",
    }
    assert [method.name for method in service.methods if method.streams] == ["List"]


def test_only_stat_and_mounts_are_quick(service):
    assert {method.name for method in service.methods if not method.slow} == {"Stat", "Mounts"}


def test_prepare_answers_with_the_snapshotter_s_mounts(ask, lamina):
    response = ask("Prepare", key="key", labels={"a": "b"})
    assert [(mount.type, list(mount.options)) for mount in response.mounts] == [("bind", ["rw", "rbind"])]
    assert lamina.stat("key").labels == {"a": "b"}
    assert ask("Mounts", key="key").mounts == response.mounts


def test_view_is_read_only(ask, lamina):
    lamina.prepare("base")
    lamina.commit("layer", "base")
    response = ask("View", key="key", parent="layer", labels={"a": "b"})
    assert list(response.mounts[0].options) == ["ro", "rbind"]
    assert ask("Stat", key="key").info.kind == VIEW


def test_commit_gives_the_name_and_the_labels(ask):
    ask("Prepare", key="key", labels={"old": "1"})
    ask("Commit", name="layer", key="key", labels={"new": "2"})
    info = ask("Stat", key="layer").info
    assert (info.kind, dict(info.labels)) == (COMMITTED, {"new": "2"})


def test_commit_forwards_the_parent_to_rebase_on(ask):
    ask("Prepare", key="one")
    ask("Commit", name="base", key="one")
    ask("Prepare", key="two")
    ask("Commit", name="top", key="two", parent="base")
    assert ask("Stat", key="top").info.parent == "base"


def test_stat_returns_all_fields(ask, lamina):
    lamina.prepare("key", labels={"a": "b"})
    info = ask("Stat", key="key").info
    assert (info.name, info.kind, info.parent, dict(info.labels)) == ("key", ACTIVE, "", {"a": "b"})
    assert info.created_at.seconds > 0
    assert info.created_at == info.updated_at


def test_update_without_a_mask_replaces_the_labels(ask, lamina):
    lamina.prepare("key", labels={"old": "1"})
    response = ask("Update", info=Info(name="key", labels={"new": "2"}))
    assert dict(response.info.labels) == {"new": "2"}
    assert lamina.stat("key").labels == {"new": "2"}


def test_update_of_one_label_leaves_the_others_and_its_key_may_have_dots_and_slashes(ask, lamina):
    lamina.prepare("key", labels={"old": "1"})
    info = Info(name="key", labels={"containerd.io/gc.root": "now", "other": "3"})
    ask("Update", info=info, update_mask=FieldMask(paths=["labels.containerd.io/gc.root"]))
    assert lamina.stat("key").labels == {"old": "1", "containerd.io/gc.root": "now"}


def test_update_of_one_label_without_a_value_deletes_it(ask, lamina):
    lamina.prepare("key", labels={"old": "1", "kept": "2"})
    ask("Update", info=Info(name="key"), update_mask=FieldMask(paths=["labels.old"]))
    assert lamina.stat("key").labels == {"kept": "2"}


def test_nothing_but_labels_can_be_updated(ask, lamina):
    lamina.prepare("key")
    with pytest.raises(InvalidArgument):
        ask("Update", info=Info(name="key"), update_mask=FieldMask(paths=["parent"]))


def test_update_without_an_info_is_refused(ask):
    with pytest.raises(InvalidArgument, match="info argument missing"):
        ask("Update")


def test_a_client_s_times_in_an_update_may_be_anything(ask, lamina):
    lamina.prepare("key")
    nonsense = Timestamp(seconds=-(1 << 60), nanos=-5)
    response = ask("Update", info=Info(name="key", created_at=nonsense, updated_at=nonsense, labels={"a": "b"}))
    assert response.info.created_at.seconds > 0


def test_remove_frees_the_key(ask):
    ask("Prepare", key="key")
    ask("Remove", key="key")
    with pytest.raises(NotFound):
        ask("Stat", key="key")


def test_usage_is_measured(ask, lamina):
    lamina.prepare("key")
    usage = ask("Usage", key="key")
    assert usage.inodes == 1


def test_cleanup_calls_the_snapshotter(plain, call):
    asked = []
    plain.cleanup = lambda: asked.append("cleanup")
    call(SnapshotsService(Names(snapshotters_of({"plain": plain}), {})).service, "Cleanup", snapshotter="plain")
    assert asked == ["cleanup"]


def test_cleanup_of_a_snapshotter_that_has_none_is_unimplemented(plain, call):
    service = SnapshotsService(Names(snapshotters_of({"plain": plain}), {})).service
    with pytest.raises(Unimplemented, match="snapshotter does not implement Cleanup method"):
        call(service, "Cleanup", snapshotter="plain")


def test_a_list_is_in_order_and_filtered(ask):
    for key in ("b", "a", "c"):
        ask("Prepare", key=key, labels={"letter": key})
    assert listed(ask) == ["a", "b", "c"]
    assert listed(ask, "labels.letter==b", "name==c") == ["b", "c"]


def test_nothing_is_sent_for_an_empty_list(ask):
    assert ask("List") == []


@pytest.mark.parametrize(("count", "sizes"), [(MAX_CHUNK, [MAX_CHUNK]), (MAX_CHUNK + 1, [MAX_CHUNK, 1])])
def test_a_list_comes_in_messages_of_a_hundred(ask, lamina, count, sizes):
    for number in range(count):
        lamina.prepare(f"key {number}")
    assert [len(response.info) for response in ask("List")] == sizes


def test_a_list_of_long_infos_comes_in_messages_that_clients_accept(ask, lamina):
    labels = {f"label{number}": "x" * 4000 for number in range(64)}
    for number in range(9):
        lamina.prepare(f"key {number}", labels=labels)
    responses = ask("List")
    assert sum(len(response.info) for response in responses) == 9
    assert max(response.ByteSize() for response in responses) < MAX_CHUNK_BYTES + 1000
    assert len(responses) == 3


def test_errors_keep_their_classes(ask):
    ask("Prepare", key="key")
    with pytest.raises(AlreadyExists):
        ask("Prepare", key="key")
    ask("Commit", name="layer", key="key")
    ask("Prepare", key="child", parent="layer")
    with pytest.raises(HasChildren):
        ask("Remove", key="layer")
    with pytest.raises(FilterSyntaxError):
        ask("List", filters=["name=="])


@pytest.mark.parametrize("method", ["Prepare", "View", "Mounts", "Commit", "Remove", "Stat", "Update", "List"])
def test_every_method_needs_the_name_of_a_snapshotter(service, call, method):
    with pytest.raises(InvalidArgument, match="snapshotter argument missing"):
        call(service, method)
    with pytest.raises(InvalidArgument, match="snapshotter not loaded: other"):
        call(service, method, snapshotter="other")


def test_no_namespace_is_required_and_a_cancelled_call_changes_nothing(ask, lamina):
    gone = CallContext()
    gone.cancel()
    with use(gone), pytest.raises(Canceled):
        ask("Prepare", key="key")
    assert list(lamina.walk()) == []


def test_a_call_is_counted_under_the_name_without_its_keyspace(call, service):
    """Clients may name any number of keyspaces."""
    context = CallContext()
    with use(context):
        call(service, "Prepare", snapshotter=f"{NAME}/images/default", key="key")
    assert context.tags == {"snapshotter": NAME}
