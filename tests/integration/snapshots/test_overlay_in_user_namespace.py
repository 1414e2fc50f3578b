"""The overlay snapshotter in a user namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.directories import CHECKOUT

pytestmark = pytest.mark.requires("root", "overlay")

PROGRAM = """
import sys
from pathlib import Path
from lamina.mount import temporary_mount
from tests.support.snapshotters.overlay import open_overlay

path = Path(sys.argv[1])
with open_overlay(path) as overlay:
    with temporary_mount(overlay.prepare("a"), directory=path) as root:
        Path(root, "gone").touch()
        Path(root, "stays").touch()
    overlay.commit("base", "a")
    mounts = overlay.prepare("b", "base")
    with temporary_mount(mounts, directory=path) as root:
        Path(root, "gone").unlink()
        print(*(entry.name for entry in Path(root).iterdir()))
    print(*mounts[0].options[3:])
"""


def test_layers_can_be_stacked_with_the_options_that_a_user_namespace_needs(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "stays\nuserxattr index=off\n"
