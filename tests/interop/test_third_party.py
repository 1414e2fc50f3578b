"""A third party's snapshotter: its package and lamina's wheel, installed in an environment of their own.

What runs there are the commands of that environment; nothing of this source tree but the tests themselves.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.testing import Conformance
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd, ctr
from tests.support.interop.images import IMAGE
from tests.support.processes.hosts import Host

ROOT = Path(__file__).parents[2]
EXAMPLE = "blockfile-snapshotter"
MEBIBYTES = 48
CONFIG = f"""
[plugins."io.containerd.snapshotter.v1.blockfile"]
image_size = "{MEBIBYTES}M"
mount_options = ["discard", "noatime"]
"""

pytestmark = pytest.mark.requires("root", "loop", "mkfs.ext4", "package-index")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory with the third party's source and, in `environment`, what it installs; one for all workers."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "third-party"
    directory.mkdir(exist_ok=True)
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = directory / "done"
        if not done.exists():
            install(directory)
            done.touch()
    return directory


def install(directory: Path) -> None:
    example, wheels, environment = (directory / name for name in (EXAMPLE, "wheels", "environment"))
    others = shutil.ignore_patterns("__pycache__", ".*")  # which tests beside this one write
    shutil.copytree(ROOT / "examples" / EXAMPLE, example, dirs_exist_ok=True, ignore=others)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    venv.create(environment)
    (wheel,) = wheels.iterdir()
    run(*pip, "--python", environment / "bin/python", "install", wheel, f"{example}[test]")


@pytest.fixture(scope="module")
def host(installed: Path) -> Iterator[Host]:
    """A host of that environment, with a table for the snapshotter."""
    command = (installed / "environment/bin/lamina",)
    with short_directory() as directory, Host(directory / "h", CONFIG, lamina=command).running() as host:
        yield host


def test_the_snapshotter_is_found_and_works_as_configured(host: Host, installed: Path) -> None:
    (record,) = json.loads(host.lamina("plugins", "ls", "--json", "id==blockfile"))
    assert (record["Type"], record["Status"]) == ("io.containerd.snapshotter.v1", "ok")
    (mount,) = json.loads(host.lamina("snapshots", "--snapshotter", "blockfile", "prepare", "--json", "a"))
    assert mount["Options"] == ["loop", "discard", "noatime", "rw"]
    assert Path(mount["Source"]).stat().st_size == MEBIBYTES << 20
    host.lamina("snapshots", "--snapshotter", "blockfile", "rm", "a")
    where = "import lamina.host, blockfile_snapshotter as b; print(lamina.host.__file__, b.__file__)"
    files = run(installed / "environment/bin/python", "-c", where).split()
    assert all(Path(file).is_relative_to(installed / "environment") for file in files)


def test_it_passes_the_whole_conformance_suite(installed: Path, tmp_path: Path) -> None:
    command = (installed / "environment/bin/pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/temporary")
    shown = run(*command, f"--rootdir={installed / EXAMPLE}", installed / EXAMPLE / "tests", seconds=1500)
    (line,) = [line for line in shown.splitlines() if line.startswith("conformance:")]
    checks = re.fullmatch(r"conformance: blockfile: (\d+) checks", line)  # else some failed, or were skipped
    assert checks, shown
    assert f"= {checks[1]} passed in" in shown
    assert int(checks[1]) > len([name for name in dir(Conformance) if name.startswith("test_")])


def test_ctr_prepares_mounts_writes_commits_and_views(host: Host, tmp_path: Path) -> None:
    def snapshots(*arguments: str | Path) -> str:
        return ctr(host.address, "snapshots", "--snapshotter", "blockfile", *arguments)

    target = tmp_path / "mnt"
    target.mkdir()

    def change(mount: str, content: str) -> None:
        run(*mount.split())
        try:
            (target / "file").write_text(content)
        finally:
            run("umount", target)

    change(snapshots("prepare", "--target", target, "making"), "of the base")
    snapshots("commit", "base", "making")
    change(snapshots("prepare", "--target", target, "making", "base"), "of the top")
    snapshots("commit", "top", "making")

    for name, content in (("base", "of the base"), ("top", "of the top")):
        run(*snapshots("view", "--target", target, f"view-{name}", name).split())
        try:
            assert [path.name for path in target.iterdir()] == ["file"]
            assert (target / "file").read_text() == content
            with pytest.raises(OSError, match="Read-only file system"):
                (target / "file").touch()
        finally:
            run("umount", target)
    assert snapshots("tree").split() == ["base", "\\_", "top", "\\_", "view-top", "\\_", "view-base"]
    snapshots("delete", "view-base", "view-top", "top", "base")


@pytest.mark.requires("busybox-static", "containerd", "ctr", "runc", "umoci", "skopeo")
def test_containerd_runs_a_container_on_it(host: Host, archive: Path) -> None:
    with (
        short_directory() as directory,
        Containerd(directory / "c", {"lamina-blockfile": host.address}).running() as containerd,
    ):
        containerd.import_image(archive, "lamina-blockfile")
        command = ("sh", "-c", "echo new > /file && cat /file /usr/share/base-files/note && ls /")
        shown = containerd.run(IMAGE, "lamina-blockfile", *command)
        assert shown.startswith("new\nof the uppermost layer\n")
        assert "lost+found" not in shown
        containerd.remove_image(IMAGE)
