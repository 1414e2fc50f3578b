"""`lamina images commit`, `config`, `history` and `export` against a running host."""

from __future__ import annotations

import contextlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.client import Client
from lamina.images import Image
from lamina.images.building import BASE
from tests.integration.cli.conftest import Lamina
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN, debian

pytestmark = pytest.mark.requires("root", "overlay")

SNAPSHOTS = "overlayfs/images/default"
MINE = "docker.io/library/mine:latest"


@pytest.fixture
def target(lamina: Lamina, tmp_path: Path) -> Iterator[Path]:
    """A directory on which the fork `work` of an image is mounted, and was changed."""
    lamina("images", "import", write_directory(tmp_path / "layout", debian(layer({"etc/os-release": "12\n"}))))
    directory = tmp_path / "target"
    directory.mkdir()
    lamina("images", "mount", "--rw", "--key", "work", "debian:12", directory)
    (directory / "etc/changed").write_text("1\n")
    yield directory
    with contextlib.suppress(AssertionError):
        lamina("images", "unmount", directory)
    lamina("snapshots", "--snapshotter", SNAPSHOTS, "rm", "work")


@pytest.fixture
def fork(lamina: Lamina, target: Path) -> str:
    """The same fork, unmounted."""
    lamina("images", "unmount", target)
    return "work"


def configuration(lamina: Lamina, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(lamina("images", "config", name))
    return document


def test_a_commit_prints_one_line(lamina: Lamina, fork: str) -> None:
    (line,) = lamina("images", "commit", fork, "mine").splitlines()
    assert line.startswith(f"committed {MINE} (sha256:")
    (other,) = lamina("images", "commit", fork, "mine", "--json").split("\n\n")
    assert json.loads(other)["Name"] == MINE


def test_what_was_changed_is_in_the_image(lamina: Lamina, target: Path) -> None:
    (target / "etc/os-release").unlink()
    lamina("images", "unmount", target)
    lamina("images", "commit", "work", "mine")
    lamina("images", "mount", "mine", target)
    assert sorted(path.name for path in target.rglob("*")) == ["changed", "etc"]


def test_a_mounted_fork_is_refused(lamina: Lamina, target: Path) -> None:
    assert lamina("images", "commit", "work", "mine", code=1) == (
        f"lamina: snapshot 'work' is mounted on {target}: unmount it first (lamina images unmount {target}), or "
        "commit it as it is (--live)\n"
    )
    lamina("images", "commit", "--live", "work", "mine")


def test_a_fork_knows_the_image_that_it_was_made_from(lamina: Lamina, host: str, fork: str) -> None:
    """Though another image has the same layers, and comes first."""
    lamina("images", "config", "debian:12", "--as", "another", "--user", "1")
    lamina("images", "commit", fork, "mine")
    assert "User" not in configuration(lamina, "mine").get("config", {})
    with Client(host, timeout=120) as client:
        labels = client.snapshotter(SNAPSHOTS).stat(fork).labels
        assert labels[BASE] == client.transfer().resolve("debian:12").manifest.digest
        assert labels["containerd.io/gc.root"].endswith("Z")


def test_options_change_the_configuration(lamina: Lamina, fork: str) -> None:
    options = (
        *("--entrypoint", '["sh", "-c"]', "--cmd", "echo 'two words'", "--env", "A=1", "--env", "B=2=3"),
        *("--user", "1:1", "--workdir", "/srv", "--label", "a=b", "--expose", "80", "--volume", "/data"),
        *("--stop-signal", "SIGINT", "--author", "me", "--message", "why", "--source-date-epoch", "0"),
    )
    lamina("images", "commit", fork, "mine", *options)
    found = configuration(lamina, "mine")
    assert found["config"] == {
        "Entrypoint": ["sh", "-c"],
        "Cmd": ["echo", "two words"],
        "Env": ["A=1", "B=2=3"],
        "Labels": {"a": "b"},
        "User": "1:1",
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/data": {}},
    }
    assert (found["author"], found["created"]) == ("me", "1970-01-01T00:00:00Z")
    removed = ("--env", "A-", "--label", "a-", "--expose", "80-", "--volume", "/data-", "--entrypoint", "")
    (line,) = lamina("images", "config", "mine", *removed).splitlines()
    assert line.startswith(f"changed {MINE} (sha256:")
    assert configuration(lamina, "mine")["config"] == {
        "Env": ["B=2=3"],
        "User": "1:1",
        "WorkingDir": "/srv",
        "StopSignal": "SIGINT",
    }


def test_an_image_that_is_as_it_should_be_stays_the_same(lamina: Lamina, fork: str) -> None:
    lamina("images", "commit", fork, "mine", "--env", "A=1", "--author", "me")
    removed = ("--env", "NOSUCH-", "--label", "x-", "--volume", "/y-", "--expose", "80-")
    for name in ((), ("--as", "other")):
        words = ("mine", "--env", "A=1", "--author", "me", *removed, *name)
        (line,) = lamina("images", "config", *words).splitlines()
        assert line.startswith("unchanged docker.io/library/")
    digests = dict(line.split()[:2] for line in lamina("images", "ls").splitlines())
    assert digests[MINE] == digests["docker.io/library/other:latest"]
    assert lamina("images", "config", "mine", "--author", "").startswith("changed ")


def test_the_time_comes_from_the_environment(lamina: Lamina, fork: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    lines = {lamina("images", "commit", fork, "mine") for _ in range(2)}
    assert len(lines) == 1
    assert configuration(lamina, "mine")["created"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--env", "A"), "--env A: expected A=VALUE, or A- to remove it"),
        (("--cmd", "'"), "No closing quotation"),
        (("--cmd", "[1]"), "expected an array of strings"),
        (("--cmd", '["a"'), "not valid JSON"),
        (("--as", "other"), "--as and --message go with a change"),
        (("--source-date-epoch", "-1"), "-1 is not in the range x>=0"),
    ],
)
def test_malformed_options_are_refused(lamina: Lamina, options: tuple[str, ...], message: str) -> None:
    assert message in lamina("images", "config", "debian:12", *options, code=2)


def test_the_history_shows_the_newest_step_first(lamina: Lamina, fork: str) -> None:
    lamina("images", "commit", fork, "mine", "--message", "why", "--source-date-epoch", "0")
    header, *rows = lamina("images", "history", "mine").splitlines()
    assert header.split() == ["CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert rows[0].startswith("1970-01-01T00:00:00Z    lamina images commit    ")
    assert rows[0].endswith(" why")
    assert rows[1].startswith("- ")
    newest, oldest = json.loads(lamina("images", "history", "mine", "--json"))
    assert (newest["CreatedBy"], newest["Comment"]) == ("lamina images commit", "why")
    assert newest["Layer"] != oldest["Layer"]
    assert newest["Size"] > 0


@pytest.mark.parametrize("format_", ["oci", "oci-dir", "docker"])
def test_what_is_exported_can_be_imported(lamina: Lamina, fork: str, tmp_path: Path, format_: str) -> None:
    lamina("images", "commit", fork, "mine")
    out = tmp_path / "out"
    (line,) = lamina("images", "export", "--format", format_, "-o", out, "mine").splitlines()
    assert line.startswith(f"exported {MINE} (sha256:")
    lamina("images", "rm", "mine")
    assert lamina("images", "import", out).startswith(line.replace("exported", "imported"))
    assert configuration(lamina, "mine")["history"]


def test_several_images_go_into_one_archive(lamina: Lamina, fork: str, tmp_path: Path) -> None:
    lamina("images", "commit", fork, "mine")
    out = tmp_path / "out.tar"
    found = json.loads(lamina("images", "export", "-o", out, "mine", "debian:12", "--json"))
    assert [image["Name"] for image in found] == [MINE, DEBIAN]
    with tarfile.open(out) as archive:
        index = archive.extractfile("index.json")
        assert index
        assert len(json.load(index)["manifests"]) == 2


def test_a_relative_path_is_one_of_the_command(
    lamina: Lamina, fork: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lamina("images", "commit", fork, "mine")
    monkeypatch.chdir(tmp_path)
    lamina("images", "export", "-o", "out.tar", "mine")
    assert (tmp_path / "out.tar").is_file()


def test_a_name_that_others_gave_controls_no_terminal(lamina: Lamina, target: Path, tmp_path: Path) -> None:
    """A client of the API may give an image any name."""
    with Client(lamina.address) as client:
        name = "\x1b]0;x\n"
        client.images().create(Image(name, client.images().get(DEBIAN).target))
        shown = lamina("images", "export", "-o", tmp_path / "image.tar", name)
        assert shown.startswith("exported \\x1b]0;x\\n (sha256:")
        assert lamina("images", "unpack", name).startswith("unpacked \\x1b]0;x\\n on ")
        client.images().delete(name)


def test_an_empty_key_is_no_snapshot(lamina: Lamina) -> None:
    assert lamina("images", "commit", "", "mine", code=1) == "lamina: a snapshot's key must not be empty\n"


def test_json_that_is_nested_too_deep_is_no_command(lamina: Lamina) -> None:
    assert "is not valid JSON" in lamina("images", "config", "debian:12", "--cmd", "[" * 5000, code=2)


def test_an_archive_is_not_exported_to_stdout(lamina: Lamina) -> None:
    """The host writes it, so `-` would be a file of that name."""
    assert "cannot go to stdout: name a file" in lamina("images", "export", "-o", "-", "mine", code=2)
