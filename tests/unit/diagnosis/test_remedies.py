"""Remedies for messages of the kernel."""

from __future__ import annotations

import pytest

from lamina.diagnosis import mount_remedy


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "overlayfs: maximum fs stacking depth exceeded",
            "set root_path to a directory on another file system",
        ),
        ("overlayfs: filesystem on '/x/upper' not supported as upperdir", "set root_path to a directory on ext4"),
        ("overlayfs: upperdir is in-use as upperdir/workdir of another mount", "/proc/*/mountinfo"),
        ("mount overlay: Invalid argument; overlay: Unknown parameter 'bogus'", "from mount_options"),
        ("overlayfs: failed to resolve '/l/3/fs': -2", "from the same backup"),
        ("mount overlay 'overlay' on /m: No such device; no such file system in this kernel", "modprobe overlay"),
        ("EXT4-fs error (device sda1): ext4_lookup:1785: inode #12", "fsck DEVICE"),
        ("BTRFS error (device sdb): bdev /dev/sdb errs: wr 0, rd 1", "btrfs scrub"),
        ("I/O error, dev sda, sector 2048 op 0x0:(READ)", "make a backup at once"),
        ("mount tmpfs 'tmpfs' on /m: Operation not permitted", "see privileges"),
        ("overlayfs: something new", "dmesg -T"),
    ],
)
def test_known_errors_have_a_remedy_and_others_refer_to_the_kernel_log(said: str, remedy: str) -> None:
    assert remedy in mount_remedy(said)
