"""Work on images for clients that leave, and in a program's own process."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.context import CallContext, use
from lamina.errdefs import Canceled
from lamina.host import Host as EmbeddedHost
from lamina.images import Progress, Transfer
from lamina.mount import temporary_mount
from lamina.plugin import PluginType
from tests.support.commands import run
from tests.support.images.archives import write_tar
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN, debian
from tests.support.processes import scraping
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

SECONDS = 60
LARGE = random.Random(1).randbytes(16 << 20)

ENDLESS = """
from lamina.context import current
from lamina.errdefs import NotFound
from lamina.plugin import PluginType, Registration, hookimpl
from lamina.snapshots import Snapshotter

class Endless(Snapshotter):
    def keyspace(self, name): return self
    def stat(self, key): raise NotFound(f"no {key}")
    def walk(self, *filters): return iter(())
    def prepare(self, key, parent="", labels=None):
        while True:
            current().wait(1)
    update = usage = mounts = view = commit = remove = None

@hookimpl
def lamina_register():
    yield Registration(type=PluginType.SNAPSHOTTER, id="endless", init=lambda ic: Endless())
"""
"""A snapshotter on which an unpacking ends only with its call, so that even a slow client leaves in time."""

IMPORTS = """
import sys
from lamina.host import Host
from lamina.plugin import PluginType

with Host.from_config({"root": f"{sys.argv[1]}/root", "state": f"{sys.argv[1]}/state"}) as host:
    host.get(PluginType.TRANSFER, "local").import_(sys.argv[2])
names = ("grpc", "google.protobuf", "lamina.api", "lamina.client", "click")
print([name for name in names if name in sys.modules])
"""


class LeaveError(Exception):
    """Raised by a client in the middle of its call."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with an image whose import takes a moment."""
    layers = [layer({f"{number}": LARGE}) for number in range(4)]
    return write_tar(tmp_path_factory.mktemp("archive") / "large.tar", debian(*layers))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with metrics and the endless snapshotter."""
    (tmp_path / "endless.py").write_text(ENDLESS)
    environment = {"PYTHONPATH": str(tmp_path)}
    with Host(tmp_path / "h", scraping.CONFIG, ("-p", "endless"), environment=environment).running() as host:
        yield host


@pytest.fixture
def client(host: Host) -> Iterator[Client]:
    with host.client() as client:
        yield client


def leave_during(what: str) -> object:
    """Return what leaves with the first report of that work."""

    def leave(progress: Progress) -> None:
        if progress.what == what:
            raise LeaveError

    return leave


def wait_for_end(host: Host, method: str) -> None:
    """Wait until the host has ended its only call of a method, which its client has left."""
    url = scraping.url_in(host.stderr)
    ended = functools.partial(scraping.numbers, url, "grpc_server_handled_total", "grpc_method")
    wait_until(lambda: (method,) in ended(), SECONDS, f"the end of {method}")


def keys(client: Client, snapshotter: str = "overlayfs/images/default") -> list[str]:
    return [info.name for info in client.snapshotter(snapshotter).walk()]


def test_an_import_stops_when_its_client_goes(host: Host, client: Client, archive: Path) -> None:
    with pytest.raises(LeaveError):
        client.transfer().import_(str(archive), snapshotter="endless", progress=leave_during("import"))
    wait_for_end(host, "Import")
    assert list(client.images().list()) == []
    assert client.transfer().import_(str(archive)).images[0].name == DEBIAN


def test_an_unpack_stops_when_its_client_goes_and_the_next_one_finishes(
    host: Host, client: Client, archive: Path
) -> None:
    client.transfer().import_(str(archive), unpack=False)
    with pytest.raises(LeaveError):
        client.transfer().unpack(DEBIAN, progress=leave_during("unpack"))
    wait_for_end(host, "Unpack")
    assert [key for key in keys(client) if key.startswith("extract-")] == []
    unpacked = client.transfer().unpack(DEBIAN)
    assert unpacked.chain_id in keys(client)
    assert len(keys(client)) == 4


def test_a_program_imports_images_in_its_own_process(tmp_path: Path, archive: Path) -> None:
    paths = {"root": f"{tmp_path}/root", "state": f"{tmp_path}/state"}
    with EmbeddedHost.from_config(paths) as host:
        transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        with use(CallContext(namespace="mine")):
            (unpacked,) = transfer.import_(str(archive)).unpacked
        assert unpacked.snapshotter == "overlayfs/images/mine"
        snapshotter = host.get(PluginType.SNAPSHOTTER, "overlayfs").keyspace("images/mine")
        with temporary_mount(snapshotter.view("look", unpacked.chain_id)) as root:
            assert (Path(root) / "3").read_bytes() == LARGE


def test_a_program_can_cancel_its_work(tmp_path: Path, archive: Path) -> None:
    context = CallContext()
    with EmbeddedHost.from_config({"root": f"{tmp_path}/root", "state": f"{tmp_path}/state"}) as host:
        transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        with use(context), pytest.raises(Canceled):
            transfer.import_(str(archive), progress=lambda _: context.cancel())


def test_a_program_that_imports_images_needs_no_grpc(tmp_path: Path, archive: Path) -> None:
    assert run(sys.executable, "-c", IMPORTS, tmp_path, archive) == "[]\n"
