"""`lamina images` and `lamina content` against a running host, with real overlay mounts."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.cli.images.mounting import unmount_image
from lamina.cli.snapshots.tree import tree
from lamina.client import Client
from lamina.errdefs import NotFound
from lamina.images.documents import Platform, chain_ids
from tests.integration.cli.conftest import PROGRAM
from tests.integration.cli.conftest import Lamina as CommandLine
from tests.support.commands import environment
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN as NAME
from tests.support.images.layouts import debian
from tests.support.processes import forked

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = (layer({"etc/os-release": "12\n", "etc/motd": "hello\n"}), layer({"etc/.wh.motd": ""}))
DIFF_IDS = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in LAYERS]
CHAIN = chain_ids(DIFF_IDS)
SNAPSHOTS = "overlayfs/images/default"

Lamina = Callable[..., str]


@pytest.fixture
def lamina(lamina: Lamina, host: str) -> Iterator[Lamina]:
    """Runs `lamina` against a host without images."""
    yield lamina
    with Client(host, timeout=120) as client:
        for image in client.images().list():
            client.images().delete(image.name)
        for name in (SNAPSHOTS, "native/images/default"):
            snapshotter = client.snapshotter(name)
            for node in reversed([*tree(snapshotter.walk())]):
                snapshotter.remove(node.key)
        for blob in client.content().walk():
            client.content().delete(blob.digest)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A layout with the image `NAME` of two layers."""
    return write_directory(tmp_path / "layout", debian(*LAYERS))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    directory = tmp_path / "target"
    directory.mkdir()
    return directory


def test_an_import_prints_one_line_for_each_image(lamina: Lamina, layout: Path) -> None:
    (line,) = lamina("images", "import", layout).splitlines()
    assert line.startswith(f"imported {NAME} (sha256:")
    assert line.endswith(f"), unpacked on {SNAPSHOTS}")


def test_an_imported_image_is_mounted_read_only(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    assert lamina("images", "mount", "debian:12", target) == ""
    assert (target / "etc/os-release").read_text() == "12\n"
    assert not (target / "etc/motd").exists()
    with pytest.raises(OSError, match="Read-only"):
        (target / "new").touch()
    assert lamina("images", "unmount", target) == ""
    assert list(target.iterdir()) == []
    assert "View" not in lamina("snapshots", "--snapshotter", SNAPSHOTS, "ls")


def test_an_image_is_unpacked_before_it_is_mounted(lamina: Lamina, layout: Path, target: Path) -> None:
    (line,) = lamina("images", "import", "--no-unpack", layout).splitlines()
    assert "unpacked" not in line
    lamina("images", "mount", "debian:12", target)
    assert (target / "etc/os-release").read_text() == "12\n"
    lamina("images", "unmount", target)


def test_a_fork_is_thrown_away_unless_it_has_a_key(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    lamina("images", "mount", "--rw", "debian:12", target)
    (target / "new").touch()
    lamina("images", "unmount", target)
    assert "Active" not in lamina("snapshots", "--snapshotter", SNAPSHOTS, "ls")
    for _ in range(2):
        lamina("images", "mount", "--rw", "--key", "mine", "debian:12", target)
        (target / "new").touch()
        lamina("images", "unmount", target)
    assert "mine" in lamina("snapshots", "--snapshotter", SNAPSHOTS, "ls")
    lamina("snapshots", "--snapshotter", SNAPSHOTS, "mount", "mine", target)
    assert (target / "new").exists()
    lamina("snapshots", "unmount", target)


def test_a_mounted_fork_is_not_mounted_twice(lamina: Lamina, layout: Path, target: Path, tmp_path: Path) -> None:
    lamina("images", "import", layout)
    lamina("images", "mount", "--rw", "--key", "mine", "debian:12", target)
    other = tmp_path / "other"
    other.mkdir()
    said = lamina("images", "mount", "--rw", "--key", "mine", "debian:12", other, code=1)
    assert said.endswith(
        f"snapshot 'mine' is mounted on {target}: unmount it first (lamina images unmount {target}), or mount "
        "another fork, with --rw and --key\n"
    )
    lamina("images", "unmount", target)


def test_unmounting_what_is_not_mounted_is_refused(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    lamina("images", "mount", "debian:12", target)
    lamina("snapshots", "unmount", target)
    lamina("images", "unmount", target)  # removes the view
    assert lamina("images", "unmount", target, code=1).endswith(
        f"nothing is mounted on {target}, and no image was\n"
    )


def test_what_images_mount_did_not_mount_stays_mounted(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", target], check=True)
    (target / "mine").touch()
    told = f"was not mounted by lamina images mount: unmount it with umount {target}\n"
    assert lamina("images", "unmount", target, code=1).endswith(told)
    lamina("snapshots", "--snapshotter", SNAPSHOTS, "view", "looked-at", CHAIN[1])
    lamina("snapshots", "--snapshotter", SNAPSHOTS, "mount", "looked-at", target)
    assert lamina("images", "unmount", target, code=1).endswith(told)
    lamina("snapshots", "unmount", target)
    assert [path.name for path in target.iterdir()] == ["mine"]
    subprocess.run(["umount", target], check=True)


def test_only_the_topmost_mount_of_a_directory_is_unmounted(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    for key in ("one", "two"):
        lamina("images", "mount", "--rw", "--key", key, "debian:12", target)
        (target / key).touch()
    lamina("images", "unmount", target)
    assert ((target / "one").exists(), (target / "two").exists()) == (True, False)
    lamina("images", "unmount", target)
    assert list(target.iterdir()) == []


def test_a_mount_point_of_another_image_is_refused(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    lamina("images", "mount", "debian:12", target)
    said = lamina("images", "mount", "--rw", "debian:12", target, code=1)
    assert said.endswith(f"{target} is the mount point of another image: lamina images unmount {target} first\n")
    lamina("images", "unmount", target)


def test_a_key_of_another_snapshot_is_refused(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    said = lamina("images", "mount", "--rw", "--key", CHAIN[0], "debian:12", target, code=1)
    assert "is the key of another snapshot" in said


def test_a_key_needs_a_fork(lamina: Lamina, target: Path) -> None:
    assert "--key names a fork: give --rw, too" in lamina(
        "images", "mount", "--key", "mine", "debian:12", target, code=2
    )


def test_other_commands_reach_the_snapshots_of_images(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    snapshots = ("snapshots", "--snapshotter", SNAPSHOTS)
    assert lamina(*snapshots, "tree") == f" {CHAIN[0]}\n  \\_ {CHAIN[1]}\n"
    lamina(*snapshots, "prepare", "box", CHAIN[1])
    lamina(*snapshots, "mount", "box", target)
    assert (target / "etc/os-release").read_text() == "12\n"
    lamina(*snapshots, "unmount", target)


def test_an_image_is_unpacked_with_another_snapshotter(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", layout)
    line = lamina("images", "unpack", "--snapshotter", "native", "debian:12")
    assert line == f"unpacked {NAME} on native/images/default ({CHAIN[1]})\n"
    lamina("images", "mount", "--snapshotter", "native", "debian:12", target)
    assert not (target / "etc/motd").exists()
    lamina("images", "unmount", target)
    assert "View" not in lamina("snapshots", "--snapshotter", "native/images/default", "ls")


def test_a_snapshotter_is_known_by_its_other_names_too(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", "--no-unpack", layout)
    for name, id_ in (("lamina", "overlayfs"), ("lamina-native", "native")):
        done = json.loads(lamina("images", "unpack", "--json", "--snapshotter", name, "debian:12"))
        assert done["Snapshotter"] == f"{id_}/images/default"


def test_an_unknown_snapshotter_is_reported_with_the_nearest_one(lamina: Lamina, layout: Path) -> None:
    said = lamina("images", "import", "--snapshotter", "overlay", layout, code=1)
    assert said == "lamina: no snapshotter 'overlay': did you mean overlayfs?\n"
    assert lamina("content", "ls").splitlines()[1:] == []


def test_ls_shows_names_digests_platforms_and_sizes(lamina: Lamina, layout: Path) -> None:
    assert lamina("images", "ls") == "NAME    DIGEST    PLATFORM    SIZE\n"
    lamina("images", "import", layout)
    header, row = lamina("images", "ls").splitlines()
    assert header.split() == ["NAME", "DIGEST", "PLATFORM", "SIZE"]
    name, digest, platform, size, unit = row.split()
    assert (name, digest[:7], platform, unit) == (NAME, "sha256:", str(Platform.host()), "B")
    (image,) = json.loads(lamina("images", "ls", "--json", "name~=debian"))
    assert (image["Name"], image["Target"]["Digest"]) == (NAME, digest)
    assert json.loads(lamina("images", "ls", "--json", "name==other")) == []
    assert float(size) > 100


def test_inspect_shows_what_an_image_consists_of(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", "--no-unpack", layout)
    shown = json.loads(lamina("images", "inspect", "debian:12"))
    assert (shown["Name"], shown["ChainID"]) == (NAME, CHAIN[1])
    assert [layer["DiffID"] for layer in shown["Layers"]] == DIFF_IDS
    assert shown["Config"]["Document"]["author"] == "lamina"


def test_a_tag_is_another_name(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", "--no-unpack", layout)
    assert lamina("images", "tag", "debian:12", "debian:stable") == ""
    names = [image["Name"] for image in json.loads(lamina("images", "ls", "--json"))]
    assert names == [NAME, "docker.io/library/debian:stable"]
    lamina("images", "tag", "debian:12", "debian:stable")  # it is one already
    lamina("images", "config", "--as", "mine", "--env", "A=B", "debian:12")
    said = lamina("images", "tag", "debian:12", "mine", code=1)
    assert re.search(r"image 'docker.io/library/mine:latest' already exists, for sha256:\w+: --force repl", said)
    lamina("images", "tag", "--force", "debian:12", "mine")
    said = lamina("images", "tag", "--force", "debian:12", f"debian@sha256:{'0' * 64}", code=1)
    assert re.search(
        r"image name 'docker.io/library/debian@sha256:0+': the image has the digest sha256:\w+: give a tag", said
    )
    targets = {image["Target"]["Digest"] for image in json.loads(lamina("images", "ls", "--json"))}
    assert len(targets) == 1
    lamina("images", "rm", "debian:12", "debian:stable", "mine")
    assert json.loads(lamina("images", "ls", "--json")) == []


def test_every_command_that_changes_something_tells_what_as_json(
    lamina: Lamina, layout: Path, target: Path
) -> None:
    lamina("images", "import", layout)
    tagged = json.loads(lamina("images", "tag", "--json", "debian:12", "mine"))
    assert tagged["Name"] == "docker.io/library/mine:latest"
    mounted = json.loads(lamina("images", "mount", "--json", "mine", target))
    assert (mounted["Kind"], mounted["Snapshotter"], mounted["Target"]) == ("View", SNAPSHOTS, str(target))
    assert json.loads(lamina("images", "unmount", "--json", target)) == {"Target": str(target), "Removed": True}
    done = forked.run("images", "rm", "--json", "mine", "none", env=lamina.environment())
    assert (done.returncode, [one["Target"] for one in json.loads(done.stdout)]) == (1, [tagged["Target"]])
    digest = tagged["Target"]["Digest"]
    done = forked.run("content", "rm", "--json", digest, digest, env=lamina.environment())
    assert (done.returncode, [one["Digest"] for one in json.loads(done.stdout)]) == (1, [digest])


def test_an_unknown_image_is_reported_with_the_nearest_one(lamina: Lamina, layout: Path, target: Path) -> None:
    lamina("images", "import", "--no-unpack", layout)
    told = f"lamina: no image 'debian:13': did you mean {NAME}?\n"
    for command in (
        ("inspect", "debian:13"),
        ("unpack", "debian:13"),
        ("mount", "debian:13", target),
        ("tag", "debian:13", "x"),
        ("rm", "debian:13"),
    ):
        assert lamina("images", *command, code=1) == told


def test_an_unknown_image_that_is_like_no_other_is_reported_with_the_listing(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", "--no-unpack", "--name", "web", layout)
    told = "lamina: no image 'shell': lamina images ls lists those that exist\n"
    assert lamina("images", "inspect", "shell", code=1) == told
    assert "did you mean docker.io/library/web:latest?" in lamina("images", "inspect", "wab", code=1)


def test_an_image_for_another_architecture_is_refused_with_the_way_out(lamina: Lamina, tmp_path: Path) -> None:
    other = "s390x" if Platform.host().architecture != "s390x" else "amd64"
    layout = write_directory(tmp_path / "layout", debian(*LAYERS, platform=Platform("linux", other)))
    said = lamina("images", "import", layout, code=1)
    assert f"it is for linux/{other}, not for {Platform.host()}: choose with --platform linux/{other}" in said
    lamina("images", "import", "--platform", f"linux/{other}", layout)
    assert lamina("images", "ls").splitlines()[1].split()[2:] == ["-", "-"]


def test_an_image_without_the_hosts_platform_is_imported_packed(lamina: Lamina, tmp_path: Path) -> None:
    other = "s390x" if Platform.host().architecture != "s390x" else "amd64"
    layout = write_directory(tmp_path / "layout", debian(*LAYERS, platform=Platform("linux", other)))
    told = "), not unpacked: it has nothing for the platform of the host\n"
    assert lamina("images", "import", "--all-platforms", layout).endswith(told)


def test_one_platform_and_all_of_them_are_not_taken_together(lamina: Lamina, layout: Path) -> None:
    for words in ("import", layout), ("pull", "127.0.0.1:1/web"):
        said = lamina("images", words[0], "--all-platforms", "--platform", "linux/arm/v5", words[1], code=2)
        assert "leave out --platform" in said


def test_names_on_the_command_line_replace_those_of_the_archive(lamina: Lamina, layout: Path) -> None:
    (image,) = json.loads(lamina("images", "import", "--json", "--name", "mine", layout))
    assert image["Name"] == "docker.io/library/mine:latest"
    assert (image["Snapshotter"], image["ChainID"]) == (SNAPSHOTS, CHAIN[1])


def test_namespaces_have_images_and_snapshots_of_their_own(lamina: Lamina, layout: Path) -> None:
    line = lamina("images", "import", "--namespace", "k8s.io", layout)
    assert line.endswith("unpacked on overlayfs/images/k8s.io\n")
    assert json.loads(lamina("images", "ls", "--json")) == []
    assert lamina("snapshots", "--snapshotter", SNAPSHOTS, "tree") == ""
    lamina("images", "rm", "-n", "k8s.io", "debian:12")
    lamina("snapshots", "--snapshotter", "overlayfs/images/k8s.io", "rm", *reversed(CHAIN))


def test_the_command_that_unmounts_is_shown_as_it_is_typed(
    lamina: Lamina, host: str, layout: Path, tmp_path: Path
) -> None:
    target = tmp_path / "my target"
    target.mkdir()
    lamina("images", "import", "--namespace", "k8s.io", layout)
    said = CommandLine(host).on_terminal(
        "images", "mount", "--namespace", "k8s.io", "debian:12", target, columns=500
    )
    words = shlex.split(said.partition("To unmount it: ")[2])
    assert words == ["lamina", "images", "unmount", str(target)]
    lamina(*words[1:])
    with Client(host, timeout=120) as client:
        assert {one.name for one in client.snapshotter("overlayfs/images/k8s.io").walk()} == {*CHAIN}
        assert "k8s.io" in client.namespaces()
    lamina("images", "rm", "-n", "k8s.io", "debian:12")
    lamina("snapshots", "--snapshotter", "overlayfs/images/k8s.io", "rm", *reversed(CHAIN))


def test_damaged_blobs_are_found(lamina: Lamina, layout: Path, host: str) -> None:
    lamina("images", "import", "--no-unpack", layout)
    assert re.fullmatch(r"4 blobs, [\d.]+ KiB, no damage found\n", lamina("content", "verify"))
    digest = json.loads(lamina("images", "inspect", "debian:12"))["Layers"][0]["Digest"]
    root = Path(host).parent.parent / "root/io.containerd.content.v1.content"
    with (root / "blobs/sha256" / digest.removeprefix("sha256:")).open("r+b") as file:
        file.write(b"damage")
    done = subprocess.run(
        [PROGRAM, "content", "verify"],
        env=environment() | {"LAMINA_ADDRESS": host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"problem    blob {digest}: its data has digest sha256:")


def test_an_image_without_a_blob_is_refused_with_the_remedy(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", "--no-unpack", layout)
    shown = json.loads(lamina("images", "inspect", "debian:12"))
    for blob, told in ((shown["Layers"][1], f"unpack {NAME}: "), (shown["Manifest"], "")):
        lamina("content", "rm", blob["Digest"])
        said = lamina("images", "unpack", "debian:12", code=1)
        assert said == f"lamina: {told}blob {blob['Digest']} does not exist; pull or import the image again\n"
    lamina("images", "import", layout)


def test_verifying_an_unknown_blob_is_an_error(lamina: Lamina) -> None:
    assert "not exist" in lamina("content", "verify", DIFF_IDS[0], code=1)


def test_ls_of_content_shows_labels(lamina: Lamina, layout: Path) -> None:
    lamina("images", "import", layout)
    blobs = {blob["Digest"]: blob for blob in json.loads(lamina("content", "ls", "--json"))}
    layer = json.loads(lamina("images", "inspect", "debian:12"))["Layers"][0]["Digest"]
    assert blobs[layer]["Labels"] == {"containerd.io/uncompressed": DIFF_IDS[0]}
    (found,) = json.loads(lamina("content", "ls", "--json", f'labels."containerd.io/uncompressed"=={DIFF_IDS[1]}'))
    assert found["Digest"] != layer
    assert lamina("content", "ls").splitlines()[0].split() == ["DIGEST", "SIZE", "LABELS"]


def test_an_image_is_unmounted_once_by_several_processes(
    lamina: Lamina, layout: Path, target: Path, host: str
) -> None:
    lamina("images", "import", layout)

    def unmount(_: int) -> bool:
        with Client(host, timeout=120) as client:
            try:
                return unmount_image(client, str(target))
            except NotFound as error:
                if "nothing is mounted on" not in str(error):
                    raise
                return False

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            lamina("images", "mount", "debian:12", target)
            assert sum(pool.map(unmount, range(4))) == 1
            assert list(target.iterdir()) == []
            assert "mount " not in lamina("snapshots", "--snapshotter", SNAPSHOTS, "ls")
