"""An error is one line that says everything once, whatever was missing, malformed or unknown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamina.cli.command import lamina
from tests.support.commands import environment

pytestmark = pytest.mark.requires("root", "overlay")

DIGEST = f"sha256:{'0' * 64}"
MISSING = (
    "config check {directory}/none",
    "config check --containerd {directory}/none",
    "config dump -c {directory}/none",
    "config explain missing",
    "config migrate {directory}/none",
    "containerd-config missing",
    f"content rm {DIGEST}",
    f"content verify {DIGEST}",
    "images commit missing new:1",
    "images config missing",
    "images config missing --user me",
    "images export -o {directory}/x.tar missing",
    "images history missing",
    "images import {directory}",
    "images inspect missing",
    "images mount missing {directory}",
    "images pull localhost:1/missing:1",
    "images push missing",
    "images rm missing",
    "images tag missing new",
    "images unmount {directory}",
    "images unpack missing",
    "images why missing",
    "leases rm missing",
    "metastore backup {directory}/none/file",
    "plugins graph -c {directory}/none",
    "snapshots commit new missing",
    "snapshots diff missing",
    "snapshots info missing",
    "snapshots label missing a=b",
    "snapshots mount missing {directory}",
    "snapshots mounts {directory} missing",
    "snapshots prepare new missing",
    "snapshots rm missing",
    "snapshots unmount {directory}",
    "snapshots usage missing",
    "snapshots view new missing",
)
MALFORMED = (
    "config dump -l loud",
    "config explain a..b",
    "containerd-config --containerd-version x",
    "content ls ==",
    "content rm x",
    "content verify x",
    "images -n a/b ls",
    "images commit key Bad",
    "images ls ==",
    "images pull Bad",
    "leases -n a/b ls",
    "leases ls ==",
    "plugins graph -p no.module",
    "plugins ls ==",
    "snapshots ls ==",
    "snapshots tree ==",
)
UNKNOWN = (
    *(
        f"snapshots --snapshotter nowhere {words}"
        for words in (
            "cleanup", "commit new key", "diff key", "info key", "label key", "ls", "mount key {directory}",
            "mounts {directory} key", "prepare key", "rm key", "tree", "usage", "view key",
        )
    ),
    "images commit key new --snapshotter nowhere",
    "images import {directory} --snapshotter nowhere",
    "images unpack missing --snapshotter nowhere",
    "images -n nowhere inspect missing",
    "leases -n nowhere rm missing",
)  # fmt: skip


@pytest.mark.parametrize("words", [*MISSING, *MALFORMED, *UNKNOWN])
def test_an_error_is_one_line_that_says_nothing_twice(host: str, tmp_path: Path, words: str) -> None:
    typed = [word.format(directory=tmp_path) for word in words.split()]
    unset = dict.fromkeys(os.environ.keys() - environment().keys())
    done = CliRunner().invoke(lamina, typed, env={**unset, "LAMINA_ADDRESS": host})
    assert (done.exit_code, done.stdout) == (1, ""), done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("lamina: ")
    assert not line.endswith(".")
    parts = re.split(r": |; |, ", line.removeprefix("lamina: "))
    assert len(parts) == len(set(parts)), "nothing is said twice"
    assert line.count("missing") <= 1
