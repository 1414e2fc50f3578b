"""A container image for tests, made of this machine's own files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.support.commands import run

IMAGE = "lamina.test/layers:latest"
LICENSES = "/usr/share/common-licenses"
TEMPLATES = "/usr/share/base-files"
PROGRAMS = ("cat", "dd", "ls", "rm", "sh", "sleep", "stat")
OWNED = (1000, 2000)
"""The user and the group of a file that is not root's."""


def make_image(directory: Path, lowest: Path | None = None) -> Path:
    """Make the image `IMAGE`, of five layers, bottom up:

    1. static busybox as the `PROGRAMS` in /bin;
    2. `LICENSES`, of Debian's package base-files;
    3. `TEMPLATES`, of the same;
    4. the file `Artistic` of `LICENSES` is deleted;
    5. the directory `TEMPLATES` is replaced by one that holds only the file `note` (it is opaque), `OWNED`.

    Its own command waits for a signal, as that of a pod's sandbox does.

    Args:
        directory: Where it is made.
        lowest: What is in one more layer, below all others, as /lowest.

    Returns:
        The OCI archive, for `ctr images import`.
    """
    image = f"{directory}/layout:latest"
    run("umoci", "init", "--layout", directory / "layout")
    run("umoci", "new", "--image", image)
    if lowest:
        run("umoci", "insert", "--image", image, lowest, "/lowest")
    run("umoci", "insert", "--image", image, _make_programs(directory / "programs"), "/bin")
    run("umoci", "insert", "--image", image, LICENSES, LICENSES)
    run("umoci", "insert", "--image", image, TEMPLATES, TEMPLATES)
    run("umoci", "insert", "--image", image, "--whiteout", f"{LICENSES}/Artistic")
    run("umoci", "insert", "--image", image, "--opaque", _make_note(directory / "note"), TEMPLATES)
    run("umoci", "config", "--image", image, "--config.cmd", "/bin/sleep", "--config.cmd", "inf")
    archive = directory / "image.tar"
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{image}", f"oci-archive:{archive}:{IMAGE}")
    return archive


def make_large_image(directory: Path) -> Path:
    """Make the image `IMAGE` once more, with a lowest layer of 2,000 files that takes a while to unpack.

    Args:
        directory: Where it is made.

    Returns:
        The OCI archive.
    """
    files = directory / "files"
    files.mkdir()
    for number in range(2000):
        (files / str(number)).write_text(f"{number}\n")
    return make_image(directory, files)


def _make_programs(directory: Path) -> Path:
    directory.mkdir()
    shutil.copy("/bin/busybox", directory)
    for name in PROGRAMS:
        os.symlink("busybox", directory / name)
    return directory


def _make_note(directory: Path) -> Path:
    directory.mkdir()
    (directory / "note").write_text("of the uppermost layer\n")
    os.chown(directory / "note", *OWNED)
    return directory
