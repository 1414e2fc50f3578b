"""lamina's client and messages against a real containerd."""

from __future__ import annotations

import contextlib
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError

from lamina.api.messages import (
    health_pb2,
    introspection_pb2,
    mount_pb2,
    platform_pb2,
    snapshots_pb2,
    status_pb2,
    version_pb2,
)
from lamina.client import Client
from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from lamina.snapshots import Info, Kind
from tests.support.commands import environment
from tests.support.interop.containerds import Containerd
from tests.support.interop.releases import Release
from tests.support.processes import forked

pytestmark = pytest.mark.requires("root")

KEEP = {"containerd.io/gc.root": "2024-01-01T00:00:00Z"}
"""containerd collects a snapshot that nothing holds."""


@pytest.fixture(scope="module")
def address(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a containerd of the module's own."""
    with Containerd(tmp_path_factory.mktemp("module") / "c", release=release).running() as containerd:
        yield containerd.address


@pytest.fixture(params=[False, True], ids=["grpc", "brief"])
def client(request: pytest.FixtureRequest, address: str) -> Iterator[Client]:
    namespace = f"test-{uuid.uuid4().hex}"
    with Client(address, timeout=120, namespace=namespace, brief=request.param) as client:
        yield client


def test_every_method_of_the_contract_works(client: Client) -> None:
    """Every method of the contract, on containerd's own native snapshotter."""
    native = client.snapshotter("native")
    (mount,) = native.prepare("base-key", labels=KEEP | {"a": "b"})
    assert (mount.type, mount.options) == ("bind", ("rbind", "rw"))
    assert native.mounts("base-key") == [mount]
    Path(mount.source, "file").write_bytes(b"x" * 10_000)

    native.commit("base", "base-key", labels=KEEP)
    base = native.stat("base")
    assert (base.name, base.kind, base.parent, base.labels) == ("base", Kind.COMMITTED, "", KEEP)
    assert base.created == base.updated > 0
    usage = native.usage("base")
    assert usage.size >= 10_000
    assert usage.inodes >= 2

    (view,) = native.view("look", "base", labels=KEEP)
    assert view.options == ("rbind", "ro")
    assert Path(view.source, "file").read_bytes() == b"x" * 10_000
    assert native.stat("look").kind is Kind.VIEW

    assert [info.name for info in native.walk()] == ["base", "look"]
    assert [info.name for info in native.walk("kind==view")] == ["look"]
    native.remove("look")
    native.remove("base")
    assert list(native.walk()) == []


def test_labels_are_replaced_or_set_one_by_one(client: Client) -> None:
    native = client.snapshotter("native")
    native.prepare("k", labels=KEEP | {"old": "1"})
    info = native.update(Info("k", labels=KEEP | {"x": "1", "y": "2"}))
    assert info.labels == KEEP | {"x": "1", "y": "2"}
    info = native.update(Info("k", labels={"x/y.z": "3", "ignored": "4"}), ("labels.x/y.z", "labels.y"))
    assert info.labels == KEEP | {"x": "1", "x/y.z": "3"}
    assert native.stat("k") == info
    native.remove("k")


def test_errors_are_the_contracts(client: Client) -> None:
    native = client.snapshotter("native")
    native.prepare("k", labels=KEEP)
    with pytest.raises(AlreadyExists):
        native.prepare("k", labels=KEEP)
    with pytest.raises(NotFound):
        native.stat("missing")
    with pytest.raises(NotFound):
        native.prepare("child", "missing", labels=KEEP)
    native.commit("base", "k", labels=KEEP)
    native.prepare("child", "base", labels=KEEP)
    with pytest.raises(FailedPrecondition):
        native.remove("base")
    with pytest.raises(InvalidArgument, match="snapshotter not loaded: none"):
        client.snapshotter("none").stat("k")
    native.remove("child")
    native.remove("base")


def test_the_namespace_is_required_and_the_contexts_counts(address: str) -> None:
    with Client(address, timeout=120) as client:
        native = client.snapshotter("native")
        with pytest.raises(FailedPrecondition, match="namespace is required"):
            native.stat("k")
        name = f"test-{uuid.uuid4().hex}"
        with use(CallContext(namespace=name)):
            native.prepare("k", labels=KEEP)
            native.remove("k")


def test_a_walk_of_more_than_one_message(client: Client) -> None:
    native = client.snapshotter("native")
    keys = [f"k{number:03}" for number in range(205)]
    for key in keys:
        native.prepare(key, labels=KEEP)
    assert [info.name for info in native.walk()] == keys
    for info in native.walk():
        native.remove(info.name)
    assert list(native.walk()) == []


def test_what_containerd_says_of_itself(client: Client, release: Release) -> None:
    assert client.healthy()
    assert client.version().version.startswith(release.upstream)
    assert uuid.UUID(client.server().uuid)
    assert client.server() == client.server()

    plugins = {plugin.uri: plugin for plugin in client.plugins()}
    native = plugins["io.containerd.snapshotter.v1.native"]
    assert native.status == "ok"
    assert native.platforms
    assert plugins["io.containerd.snapshotter.v1.btrfs"].status in {"ok", "skipped"}
    snapshotters = client.plugins("type==io.containerd.snapshotter.v1", "id==snapshots")
    assert "native" in {plugin.id for plugin in snapshotters}
    assert {plugin.type for plugin in snapshotters} >= {"io.containerd.snapshotter.v1", "io.containerd.grpc.v1"}
    with pytest.raises(InvalidArgument):
        client.plugins("==")


OURS = (snapshots_pb2, introspection_pb2, version_pb2, health_pb2, mount_pb2, platform_pb2, status_pb2)


def fields(message: DescriptorProto) -> set[tuple[str, int, int, int, str]]:
    return {(f.name, f.number, f.type, f.label, f.type_name) for f in message.field}


@pytest.mark.requires("containerd")
@pytest.mark.parametrize("module", OURS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_our_messages_have_the_fields_that_containerd_was_built_with(
    module: ModuleType, compiled_in: dict[str, FileDescriptorProto]
) -> None:
    """Ours may have more: the protocol has grown since."""
    ours = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
    messages = {message.name: message for message in ours.message_type}
    services = {service.name: {method.name: method for method in service.method} for service in ours.service}
    theirs = [file for file in compiled_in.values() if Path(file.name).name == Path(ours.name).name]
    (file,) = [file for file in theirs if file.package == ours.package]

    for message in file.message_type:
        assert fields(message) <= fields(messages[message.name])
        assert list(message.enum_type) == list(messages[message.name].enum_type)
    for mine, their in zip(ours.enum_type, file.enum_type, strict=True):
        assert [(v.name, v.number) for v in mine.value] == [(v.name, v.number) for v in their.value]
    for service in file.service:
        for method in service.method:
            mine = services[service.name][method.name]
            assert (mine.input_type, mine.output_type) == (method.input_type, method.output_type)
            assert mine.server_streaming == method.server_streaming


def test_a_refused_removal_names_its_snapshot(address: str) -> None:
    """The command names it although containerd's own error may not."""
    options = ("-a", address, "-n", "test-removal", "--snapshotter", "native")
    with Client(address, timeout=120, namespace="test-removal") as client:
        native = client.snapshotter("native")
        native.prepare("base-key", labels=KEEP)
        native.commit("base", "base-key", labels=KEEP)
        native.prepare("box", "base", labels=KEEP)
        done = forked.run("snapshots", "rm", *options, "base", env=environment())
        assert (done.returncode, len(re.findall("[\"']base[\"']", done.stderr))) == (1, 1), done.stderr
        native.remove("box")
        native.remove("base")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("snapshots ls", 1, "namespace is required; use --namespace NAME"),
        ("images df", 1, "Collector/Usage: is it a lamina host? If so, `lamina plugins ls -d` says why"),
        ("metastore check", 1, "Metastore/Copy: is it a lamina host? If so, `lamina plugins ls -d` says why"),
        ("version", 0, "is not the socket of a lamina host"),
    ],
)
def test_commands_say_what_is_wrong_with_the_socket_of_a_containerd(
    address: str, words: str, code: int, said: str
) -> None:
    done = forked.run(*words.split(), "-a", address, env=environment())
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.endswith(f"{said}\n")


@pytest.fixture(scope="module")
def compiled_in() -> dict[str, FileDescriptorProto]:
    """The descriptors in containerd's binary by file name: Go's generator leaves each gzipped."""
    path = shutil.which("containerd")
    assert path
    binary = Path(path).read_bytes()
    files = {}
    for match in re.finditer(rb"\x1f\x8b\x08\x00\x00\x00\x00\x00", binary):
        with contextlib.suppress(zlib.error, DecodeError):  # other data that is gzipped, or looks so
            raw = zlib.decompressobj(wbits=31).decompress(binary[match.start() : match.start() + (1 << 18)])
            file = FileDescriptorProto.FromString(raw)
            files[file.name] = file
    return files
