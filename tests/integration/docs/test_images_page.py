"""The blocks of `docs/images.md` work, one after the other, at the paths that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.images.documents import Platform
from tests.support.commands import run
from tests.support.directories import CHECKOUT
from tests.support.images.archives import write_tar
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.processes.terminals import clone, served
from tests.support.registries.docker_registry import DockerRegistry

PAGE = (CHECKOUT / "docs/images.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.requires("root", "overlay", "ctr", "docker-registry", "skopeo")


@pytest.fixture
def tree() -> Iterator[Path]:
    """A directory with the archive `debian.tar`."""
    with clone() as directory:
        layers = (layer({"etc/os-release": "12\n"}), layer({"etc/motd": "hello\n"}))
        write_tar(directory / "debian.tar", debian(*layers))
        yield directory


def typed(tree: Path, blocks: list[str]) -> list[str]:
    """Type blocks of commands beside a host; return what each shows."""
    with served(tree, ".venv/bin/lamina serve") as type_:
        return [type_(block) for block in blocks]


def test_the_commands_work_in_their_order(tree: Path, tmp_path: Path) -> None:
    with DockerRegistry(tmp_path / "registry").running() as registry:
        blocks = [text.replace("localhost:5000", registry.host) for language, text in BLOCKS if language == "sh"]
        shown = typed(tree, blocks)
    assert re.search(r"^imported docker.io/library/debian:12 .*\n12$", shown[0], re.MULTILINE)
    listed, _, inspected = shown[1].partition("{")
    assert str(Platform.host()) in listed
    assert '"ChainID": "sha256:' in inspected
    assert re.search(
        r"^unpacked .* on native/images/default .*\n sha256:\w+\n  \\_ sha256:\w+$", shown[2], re.MULTILINE
    )
    assert shown[3] == ""
    assert re.search(r"^committed docker.io/library/mine:1 \(sha256:", shown[4], re.MULTILINE)
    assert re.search(r"^20\S+Z +lamina images commit ", shown[4], re.MULTILINE)
    assert '"LANG=C.UTF-8"' in shown[5]
    assert re.search(r"^changed docker.io/library/mine:2 ", shown[5], re.MULTILINE)
    assert shown[6].count("exported docker.io/library/mine:1 ") == 3
    for archive in ("oci-archive:mine.tar:1", "docker-archive:mine-for-docker.tar", "oci:mine:1"):
        run("skopeo", "inspect", archive.replace(":mine", f":{tree}/mine", 1))
    assert re.search(
        r"^pushed \S+/debian:12 \(sha256:\w+\)\npulled \S+/debian:12 .*, unpacked on ", shown[7], re.MULTILINE
    )
    assert '"Name": "docker.io/library/copy:latest"' in shown[7]
    assert shown[8].endswith(", no damage found\n")
    assert shown[9].count("sha256:") > 5
    assert re.search(r"^default +docker.io/library/debian:12 ", shown[10], re.MULTILINE)
    assert re.search(r"^image docker.io/library/debian:12 in default$", shown[10], re.MULTILINE)
    assert re.search(r"^removed \d+ blobs, ", shown[10], re.MULTILINE)
    assert re.search(r"^build$", shown[11], re.MULTILINE)


def test_the_program_works(tree: Path) -> None:
    (program,) = [text.replace("/var/tmp/images", str(tree)) for language, text in BLOCKS if language == "python"]
    assert re.fullmatch(
        r"docker\.io/library/debian:12 sha256:\w+\n",
        run("sh", "-ec", f"cd {tree}; exec {sys.executable} -c '{program}'"),
    )


def test_the_settings_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("version = 4\n" + "".join(text for language, text in BLOCKS if language == "toml"))
    run(sys.executable, "-m", "lamina.cli.main", "config", "check", "--config", file)


def test_every_block_is_executed() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "python", "toml"}
