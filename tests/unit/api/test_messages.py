"""The bytes and the pool of messages, and damaged input."""

import contextlib
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.api import decode, encode
from lamina.api.messages import (
    any_pb2,
    health_pb2,
    introspection_pb2,
    mount_pb2,
    snapshots_pb2,
    status_pb2,
    timestamp_pb2,
    version_pb2,
)
from lamina.errdefs import InvalidArgument

# Written by hand: tag (field number << 3 | wire type), length, content.
MOUNT = b"\x0a\x07overlay\x12\x03src\x1a\x03sub\x22\x02ro\x22\x08index=no"
INFO = (
    b"\x0a\x01k"
    b"\x12\x01p"
    b"\x18\x02"
    b"\x22\x0b\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01"  # -62135596800 s: Go's zero time
    b"\x2a\x04\x08\x01\x10\x02"
    b"\x32\x06\x0a\x01l\x12\x01v"
)

EXPECTED = [
    (mount_pb2.Mount(type="overlay", source="src", target="sub", options=["ro", "index=no"]), MOUNT),
    (
        snapshots_pb2.Info(
            name="k",
            parent="p",
            kind=snapshots_pb2.ACTIVE,
            created_at=timestamp_pb2.Timestamp(seconds=-62_135_596_800),
            updated_at=timestamp_pb2.Timestamp(seconds=1, nanos=2),
            labels={"l": "v"},
        ),
        INFO,
    ),
    (
        snapshots_pb2.PrepareSnapshotRequest(snapshotter="s", key="k", parent="p", labels={"l": "v"}),
        b"\x0a\x01s\x12\x01k\x1a\x01p\x22\x06\x0a\x01l\x12\x01v",
    ),
    (
        snapshots_pb2.ViewSnapshotRequest(snapshotter="s", key="k", parent="p", labels={"l": "v"}),
        b"\x0a\x01s\x12\x01k\x1a\x01p\x22\x06\x0a\x01l\x12\x01v",
    ),
    (
        snapshots_pb2.CommitSnapshotRequest(snapshotter="s", name="n", key="k", labels={"l": "v"}, parent="p"),
        b"\x0a\x01s\x12\x01n\x1a\x01k\x22\x06\x0a\x01l\x12\x01v\x2a\x01p",
    ),
    (snapshots_pb2.ListSnapshotsRequest(snapshotter="s", filters=["a", "b"]), b"\x0a\x01s\x12\x01a\x12\x01b"),
    (snapshots_pb2.UsageResponse(size=300, inodes=-1), b"\x08\xac\x02\x10" + b"\xff" * 9 + b"\x01"),
    (
        snapshots_pb2.UpdateSnapshotRequest(
            snapshotter="s", info={"name": "k"}, update_mask={"paths": ["labels.containerd.io/gc.root"]}
        ),
        b"\x0a\x01s\x12\x03\x0a\x01k\x1a\x1e\x0a\x1clabels.containerd.io/gc.root",
    ),
    (status_pb2.Status(code=2, message="m"), b"\x08\x02\x12\x01m"),
    (version_pb2.VersionResponse(version="v", revision="r"), b"\x0a\x01v\x12\x01r"),
    (health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING), b"\x08\x01"),
    (
        introspection_pb2.ServerResponse(uuid="u", pid=2**64 - 1, pidns=7),
        b"\x0a\x01u\x10" + b"\xff" * 9 + b"\x01\x18\x07",
    ),
    (
        introspection_pb2.Plugin(
            type="t",
            id="i",
            requires=["*"],
            platforms=[{"os": "o", "architecture": "a", "variant": "v"}],
            exports={"e": "x"},
            capabilities=["c"],
            init_err={"code": 5, "message": "m"},
        ),
        b"\x0a\x01t\x12\x01i\x1a\x01*\x22\x09\x0a\x01o\x12\x01a\x1a\x01v\x2a\x06\x0a\x01e\x12\x01x\x32\x01c\x3a\x05\x08\x05\x12\x01m",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("message", "data"), EXPECTED, ids=lambda value: type(value).__name__)
def test_a_message_has_the_bytes_of_containerds_field_tables(message, data):
    assert message.SerializeToString() == data
    assert decode(type(message), data) == message


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.builds(
    timestamp_pb2.Timestamp, seconds=st.integers(-(2**63), 2**63 - 1), nanos=st.integers(0, 2**31 - 1)
)
INFOS = st.builds(
    snapshots_pb2.Info,
    name=TEXT,
    parent=TEXT,
    kind=st.integers(-(2**31), 2**31 - 1),
    created_at=st.none() | TIMES,
    labels=st.dictionaries(TEXT, TEXT),
)


@given(INFOS)
def test_a_message_survives_the_wire(info):
    assert decode(snapshots_pb2.Info, info.SerializeToString()) == info


@given(st.binary())
def test_any_bytes_are_decoded_or_an_invalid_argument(data):
    with contextlib.suppress(InvalidArgument):
        decode(snapshots_pb2.UpdateSnapshotRequest, data)


def test_fields_of_a_newer_protocol_are_ignored_and_kept():
    newer = b"\x0a\x01k" + b"\xfa\x01\x03new"  # field 31
    info = decode(snapshots_pb2.Info, newer)
    assert info.name == "k"
    assert info.SerializeToString() == newer


def test_a_number_of_a_newer_enum_is_kept():
    assert decode(snapshots_pb2.Info, b"\x18\x09").kind == 9


@pytest.mark.parametrize("data", [b"\x0a\x05x", b"\x0a\x01\xff", b"\x32\x06\x0a\x01\xff\x12\x01v", b"\x00"])
def test_damaged_bytes_are_an_invalid_argument(data):
    with pytest.raises(InvalidArgument, match=r"malformed Info of \d+ bytes"):
        decode(snapshots_pb2.Info, data)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a\udcff"}, r"name: 'a\udcff' is not UTF-8 text"),
        ({"labels": {"\udcff": ""}}, r"Info: '\udcff' is not UTF-8 text"),
        ({"kind": 2**31}, "Info: Value out of range: 2147483648"),
    ],
)
def test_values_that_messages_cannot_hold_are_invalid_arguments(fields, message):
    with pytest.raises(InvalidArgument) as caught:
        encode(snapshots_pb2.Info, **fields)
    assert str(caught.value) == message


def test_well_known_types_keep_their_methods():
    moment = timestamp_pb2.Timestamp(seconds=-62_135_596_800)
    assert moment.ToJsonString() == "0001-01-01T00:00:00Z"
    packed = any_pb2.Any()
    packed.Pack(moment)
    unpacked = timestamp_pb2.Timestamp()
    assert packed.Unpack(unpacked)
    assert unpacked == moment


def test_enums_know_their_names():
    assert snapshots_pb2.Kind.Name(snapshots_pb2.VIEW) == "VIEW"
    assert health_pb2.HealthCheckResponse.ServingStatus.Value("SERVICE_UNKNOWN") == 3


CLASH = """
    from google.protobuf import descriptor_pool, timestamp_pb2
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.message_factory import GetMessageClass

    def clash():
        pool = descriptor_pool.Default()
        for name, package, message in (
            ("containerd/types/mount.proto", "containerd.types", "Mount"),
            ("github.com/containerd/containerd/api/services/snapshots/v1/snapshots.proto",
             "containerd.services.snapshots.v1", "Info"),
            ("grpc/health/v1/health.proto", "grpc.health.v1", "HealthCheckResponse"),
            ("google/rpc/status.proto", "google.rpc", "Status"),
        ):
            file = FileDescriptorProto(name=name, package=package, syntax="proto3")
            field = file.message_type.add(name=message).field.add(name="other", number=9)
            field.type, field.label = field.TYPE_BOOL, field.LABEL_OPTIONAL
            pool.AddSerializedFile(file.SerializeToString())
            GetMessageClass(pool.FindMessageTypeByName(f"{package}.{message}"))(other=True)
"""

OURS = """
    def ours():
        from lamina.api import decode, info_from_proto, info_to_proto, mounts_to_proto
        from lamina.api.messages import health_pb2, introspection_pb2, snapshots_pb2
        from lamina.mount import Mount
        from lamina.snapshots import Info, Kind

        info = Info("k", Kind.ACTIVE, "p", {"l": "v"}, created=5, updated=-5)
        assert info_from_proto(decode(snapshots_pb2.Info, info_to_proto(info).SerializeToString())) == info
        response = snapshots_pb2.MountsResponse(mounts=mounts_to_proto([Mount("bind", "/")]))
        assert decode(snapshots_pb2.MountsResponse, response.SerializeToString()) == response
        introspection_pb2.Plugin(init_err={"code": 1})
        health_pb2.HealthCheckResponse(status="SERVING")
"""


@pytest.mark.parametrize("implementation", ["upb", "python"])
@pytest.mark.parametrize("order", ["clash(); ours()", "ours(); clash()"])
def test_another_packages_copies_of_the_same_messages_do_not_conflict(order, implementation):
    """In either import order and with both implementations of protobuf."""
    program = textwrap.dedent(CLASH + OURS) + order
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_protocol_imports_no_grpc_no_protoc_and_no_messages_in_pure_python():
    needless = {"grpc", "grpc_tools", "google.protobuf.internal.python_message"}
    program = f"import sys, lamina.api; assert not {needless} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], check=True)


INTERRUPTED = """
    import signal, sys

    class Interrupting:
        def find_spec(self, name, path, target=None):
            if name == "google.protobuf.internal.well_known_types":  # the C code imports it
                signal.raise_signal(signal.SIGINT)

    sys.meta_path.insert(0, Interrupting())
    try:
        from lamina.api.messages.snapshots_pb2 import StatSnapshotRequest
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_an_interrupt_while_a_class_is_made_does_not_crash():
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(INTERRUPTED)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"interrupted\n", b"")
