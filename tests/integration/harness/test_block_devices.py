"""File systems on the block devices of the tests."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.disks.block_devices import disk, make_file_system, mounted

pytestmark = pytest.mark.requires("root", "loop", "fuse", "mkfs.ext4")

COPY_ALL_MOUNTS = ("unshare", "--mount", "sh", "-c", "echo copied; sleep 0.2")  # briefly: other tests have mounts


def test_a_file_system_is_unmounted_once_no_mount_namespace_has_it(tmp_path: Path) -> None:
    make_file_system("ext4", tmp_path / "image")
    with disk(tmp_path / "image") as made, contextlib.ExitStack() as ending:
        with mounted(made.device, "ext4", tmp_path / "mnt"):
            copy = ending.enter_context(subprocess.Popen(COPY_ALL_MOUNTS, stdout=subprocess.PIPE))
            assert copy.stdout
            assert copy.stdout.readline() == b"copied\n"
        os.close(os.open(made.device, os.O_RDONLY | os.O_EXCL))
