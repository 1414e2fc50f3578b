"""`lamina snapshots diff` against a running host, with real overlay mounts."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from lamina.client import Client
from lamina.mount import Mount, temporary_mount
from lamina.snapshots import Snapshotter
from tests.integration.cli.conftest import PROGRAM, Lamina
from tests.support import tar
from tests.support.blobs import digest_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

READ: dict[str, Callable[[bytes], bytes]] = {
    "layer.tar": bytes,
    "layer.tar.gz": gzip.decompress,
    "layer.tgz": gzip.decompress,
    "layer.tar.zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
NAMES = [b".wh.gone", b"changed", b"new"]


@pytest.fixture
def changed(layer: Callable[..., None], snapshotter: Snapshotter) -> str:
    """An active snapshot on `base`, in which one file is new, one changed and one gone."""
    layer("base", kept="1", changed="2", gone="3")
    with temporary_mount(snapshotter.prepare("box", "base")) as root:
        (Path(root) / "new").write_text("x" * 2000)
        (Path(root) / "changed").write_text("other")
        (Path(root) / "gone").unlink()
    return "box"


def rows(listing: str) -> list[list[str]]:
    return [line.split() for line in listing.splitlines()]


def test_changes_are_listed_with_their_sizes(lamina: Lamina, changed: str) -> None:
    table = rows(lamina("snapshots", "diff", changed))
    assert table[0] == ["SIZE", "PATH"]
    assert ["A", "2.0", "KiB", "/new"] in table
    assert ["M", "5", "B", "/changed"] in table
    assert ["D", "/gone"] in table
    assert table[-1][:6] == ["1", "added,", "1", "modified,", "1", "deleted;"]


def test_changes_are_listed_as_json(lamina: Lamina, changed: str) -> None:
    found = json.loads(lamina("snapshots", "diff", "--json", changed))
    assert {"Kind": "add", "Path": "/new", "Size": 2000} in found
    assert {"Kind": "delete", "Path": "/gone", "Size": 0} in found


def test_the_parent_is_what_one_snapshot_is_compared_with(lamina: Lamina, changed: str) -> None:
    assert lamina("snapshots", "diff", changed) == lamina("snapshots", "diff", "base", changed)


def test_a_snapshot_without_a_parent_is_compared_with_an_empty_tree(
    lamina: Lamina, layer: Callable[..., None]
) -> None:
    layer("base", one="1", two="22")
    assert [line[0] for line in rows(lamina("snapshots", "diff", "base"))[1:]] == ["A", "A", "2"]


def test_two_snapshots_are_compared_in_the_order_given(lamina: Lamina, layer: Callable[..., None]) -> None:
    layer("base", one="1")
    layer("top", "base", two="2")
    assert json.loads(lamina("snapshots", "diff", "--json", "top", "base")) == [
        {"Kind": "delete", "Path": "/two", "Size": 0}
    ]


def test_equal_snapshots_have_no_differences(lamina: Lamina, layer: Callable[..., None]) -> None:
    layer("one", file="same")
    layer("two", "one")
    assert lamina("snapshots", "diff", "two") == "no differences\n"
    assert json.loads(lamina("snapshots", "diff", "two", "--json")) == []


@pytest.mark.parametrize("name", READ)
def test_a_layer_is_compressed_as_its_name_says(lamina: Lamina, changed: str, tmp_path: Path, name: str) -> None:
    told = json.loads(lamina("snapshots", "diff", changed, "--json", "-o", tmp_path / name))
    data = (tmp_path / name).read_bytes()
    archive = READ[name](data)
    assert [entry for entry in tar.read(archive).names if entry in NAMES] == NAMES
    assert (told["Digest"], told["Size"]) == (digest_of(data), len(data))
    assert (told["DiffID"], told["UncompressedSize"]) == (digest_of(archive), len(archive))
    assert told["MediaType"].startswith("application/vnd.oci.image.layer.v1.tar")
    assert os.listdir(tmp_path) == [name]


def test_the_digests_of_a_layer_are_printed(lamina: Lamina, changed: str, tmp_path: Path) -> None:
    file = tmp_path / "layer.tar"
    shown = lamina("snapshots", "diff", changed, "-o", file).splitlines()
    assert shown[0].startswith(f"wrote {file}: 3 entries, ")
    assert shown[1:] == [f"digest  {digest_of(file.read_bytes())}", f"diff ID {digest_of(file.read_bytes())}"]


def test_a_layer_can_be_written_to_a_pipe(lamina: Lamina, changed: str, tmp_path: Path) -> None:
    lamina("snapshots", "diff", changed, "-o", tmp_path / "layer.tar")
    command = [PROGRAM, "snapshots", "diff", changed, "-o", "-"]
    done = subprocess.run(command, env=lamina.environment(), capture_output=True, timeout=120, check=True)
    assert done.stdout == (tmp_path / "layer.tar").read_bytes()
    assert done.stderr == b""


def test_a_layer_is_not_shown_on_a_terminal(lamina: Lamina, changed: str) -> None:
    assert "a terminal cannot show a layer" in lamina.on_terminal("snapshots", "diff", changed, "-o", "-", code=2)


def test_source_date_epoch_is_the_latest_time(
    lamina: Lamina, changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    lamina("snapshots", "diff", changed, "-o", tmp_path / "layer.tar")
    entries = tar.read((tmp_path / "layer.tar").read_bytes()).entries
    assert {entry.mtime for entry in entries} == {0, 7_000_000_000}


def test_a_wrong_source_date_epoch_is_an_error(lamina: Lamina, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH" in lamina("snapshots", "diff", "box", code=2)


@pytest.mark.parametrize("name", ["layer", "layer.tar.xz", "layer.zip"])
def test_a_name_that_says_no_compression_is_an_error(lamina: Lamina, tmp_path: Path, name: str) -> None:
    assert "ends with .tar, .tar.gz, .tgz or .tar.zst" in lamina(
        "snapshots", "diff", "box", "-o", tmp_path / name, code=2
    )


def test_after_an_error_the_file_is_as_before(
    lamina: Lamina, changed: str, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    with temporary_mount(snapshotter.mounts(changed)) as root:
        (Path(root) / ".wh.file").touch()
    (tmp_path / "layer.tar").write_text("old")
    assert ".wh.file has a name that starts with .wh." in lamina(
        "snapshots", "diff", changed, "-o", tmp_path / "layer.tar", code=1
    )
    assert (tmp_path / "layer.tar").read_text() == "old"
    assert os.listdir(tmp_path) == ["layer.tar"]


def test_no_snapshot_is_left_behind(lamina: Lamina, changed: str, snapshotter: Snapshotter) -> None:
    """Committed ones are compared through views."""
    before = {info.name for info in snapshotter.walk()}
    lamina("snapshots", "diff", "base")
    lamina("snapshots", "diff", changed)
    assert {info.name for info in snapshotter.walk()} == before


def test_a_missing_snapshot_is_an_error(lamina: Lamina) -> None:
    assert lamina("snapshots", "diff", "nothing", code=1) == "lamina: snapshot 'nothing' does not exist\n"


@pytest.mark.parametrize(
    "words",
    [("diff", "fork"), ("diff", "base", "fork"), ("info", "fork"), ("usage", "base", "fork"), ("rm", "fork")],
    ids=" ".join,
)
def test_the_message_about_a_missing_snapshot_says_where_it_is(
    host: str, lamina: Lamina, layer: Callable[..., None], words: tuple[str, ...]
) -> None:
    layer("base")
    with Client(host, timeout=120, namespace="another") as client:
        client.leases().create("makes the namespace known")
        elsewhere = client.snapshotter("native/images/another")
        elsewhere.prepare("fork")
        try:
            assert lamina("snapshots", *words, code=1).endswith(
                "snapshot 'fork' does not exist; fork is in native/images/another: "
                "use --snapshotter native/images/another\n"
            )
        finally:
            elsewhere.remove("fork")
            client.leases().delete("makes the namespace known")


@pytest.fixture
def large(snapshotter: Snapshotter) -> str:
    """A committed snapshot with a file of 7 GiB, all zeros."""
    with temporary_mount(snapshotter.prepare("box")) as root:
        (Path(root) / "file").touch()
        os.truncate(Path(root) / "file", 7 << 30)
    snapshotter.commit("large", "box")
    return "large"


def test_nothing_stays_of_a_command_that_is_killed(
    lamina: Lamina, large: str, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    """Neither a file nor a mount; the view is removed by the next command."""
    before = {info.name for info in snapshotter.walk()}
    command = [PROGRAM, "snapshots", "diff", large, "-o", tmp_path / "layer.tar"]
    with subprocess.Popen(command, env=lamina.environment()) as process:
        wait_until(lambda: _written_bytes(process.pid) > 1 << 20, 60, "the command writes")
        process.kill()
    assert os.listdir(tmp_path) == []
    assert {info.name for info in snapshotter.walk()} != before
    lamina("snapshots", "diff", "--json", large)
    assert {info.name for info in snapshotter.walk()} == before


def _written_bytes(process: int) -> int:
    """Bytes that a process has written (proc_pid_io(5))."""
    fields = dict(line.split(": ") for line in Path(f"/proc/{process}/io").read_text().splitlines())
    return int(fields["wchar"])


def test_a_reader_that_goes_away_ends_the_command_silently(lamina: Lamina, large: str) -> None:
    command = [PROGRAM, "snapshots", "diff", large, "-o", "-"]
    with subprocess.Popen(
        command, env=lamina.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert len(process.stdout.read(512)) == 512
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("options", [(), ("--json",), ("-o", "-")], ids=" ".join)
def test_output_for_which_there_is_no_room_is_an_error(
    lamina: Lamina, changed: str, options: tuple[str, ...]
) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [PROGRAM, "snapshots", "diff", changed, *options],
            env=lamina.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "lamina: standard output: No space left on device\n")


def test_a_full_disk_is_said_to_be_that_of_the_file(
    lamina: Lamina, large: str, snapshotter: Snapshotter, tmp_path: Path
) -> None:
    """And not of the tree that is read. Nothing stays on it."""
    before = {info.name for info in snapshotter.walk()}
    with temporary_mount([Mount("tmpfs", "tmpfs", ("size=1m",))], directory=tmp_path) as disk:
        file = Path(disk) / "layer.tar"
        assert (
            lamina("snapshots", "diff", large, "-o", file, code=1) == f"lamina: {file}: No space left on device\n"
        )
        assert os.listdir(disk) == []
    assert {info.name for info in snapshotter.walk()} == before
