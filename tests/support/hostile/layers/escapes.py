"""Layers that reach for files outside of the tree: by names, links and what replaces what."""

from __future__ import annotations

import tarfile
from typing import Final

from tests.support.hostile.layers.archive import (
    Corpus,
    archive,
    directory,
    file,
    hard_link,
    special,
    symlink,
    with_xattrs,
)

ESCAPES: Final = Corpus()
UP: Final = "../" * 40


@ESCAPES.layer
def parent_names_at_the_start(outside: str) -> bytes:
    return archive(file(f"{UP}{outside[1:]}/new"), file(f"{UP}{outside[1:]}/victim"))


@ESCAPES.layer
def parent_names_in_the_middle(outside: str) -> bytes:
    return archive(directory("d"), file(f"d/{UP}{outside[1:]}/victim"))


@ESCAPES.layer
def absolute_names(outside: str) -> bytes:
    return archive(file(f"{outside}/new"), file(f"{outside}/victim"), directory(outside, mode=0o777))


@ESCAPES.layer
def absolute_symlink_then_write_through_it_cve_2026_46703(outside: str) -> bytes:
    """Boxlite followed a link of the layer to an absolute path of the host."""
    return archive(symlink("escape", outside), file("escape/new"), file("escape/victim"))


@ESCAPES.layer
def relative_symlink_then_write_through_it(outside: str) -> bytes:
    return archive(symlink("escape", UP + outside[1:]), file("escape/new"), file("escape/victim"))


@ESCAPES.layer
def chain_of_symlinks_then_write_through_it(outside: str) -> bytes:
    links = [symlink(f"link{number}", f"link{number + 1}") for number in range(30)]
    return archive(*links, symlink("link30", outside), file("link0/victim"))


@ESCAPES.layer
def symlink_of_a_lower_layer_then_write_through_it(_: str) -> bytes:
    return archive(file("out/new"), file("out/victim"), directory("out/sub", mode=0o777))


@ESCAPES.layer
def file_over_a_symlink_to_a_file(outside: str) -> bytes:
    return archive(symlink("escape", f"{outside}/victim"), file("escape"), file("victim"))


@ESCAPES.layer
def every_operation_beneath_a_symlink_cve_2026_42574(outside: str) -> bytes:
    """apko followed links of the tree in mkdir, chmod, chown, mknod, symlink and link."""
    return archive(
        symlink("escape", outside),
        directory("escape/new", mode=0o777),
        directory("escape/sub", mode=0o777, uid=12, gid=12),
        symlink("escape/link", "anything"),
        hard_link("escape/name", "escape/victim"),
        special("escape/fifo", tarfile.FIFOTYPE),
        special("escape/null", tarfile.CHRTYPE, 1, 3),
        with_xattrs(file("escape/attributes"), {"user.hostile": "1"}),
    )


@ESCAPES.layer
def mount_point_that_is_a_symlink_cve_2024_1753(outside: str) -> bytes:
    """Buildah took a link of the image for the directory to mount; here a directory is expected in its place."""
    return archive(symlink("mnt", outside), directory("mnt", mode=0o777, uid=7), directory("mnt/sub", mode=0o777))


@ESCAPES.layer
def directory_replaced_by_a_symlink_cve_2025_47290(outside: str) -> bytes:
    """containerd 2.1.0 looked at a directory, and wrote when it had become a link."""
    return archive(directory("d"), file("d/one"), symlink("d", outside), file("d/new"), file("d/victim"))


@ESCAPES.layer
def symlink_replaced_by_a_directory_and_back(outside: str) -> bytes:
    members = []
    for _ in range(50):
        members += [symlink("e", outside), file("e/victim"), directory("e"), file("e/victim")]
    return archive(*members)


@ESCAPES.layer
def hard_link_to_an_absolute_path_then_write(outside: str) -> bytes:
    return archive(hard_link("name", f"{outside}/victim"), file("name"))


@ESCAPES.layer
def hard_link_to_a_path_with_parents_then_write(outside: str) -> bytes:
    return archive(hard_link("name", f"{UP}{outside[1:]}/victim"), file("name"))


@ESCAPES.refused
def hard_link_relative_to_the_working_directory_cve_2026_50163(_: str) -> bytes:
    """oras-go resolved the target of a hard link against the working directory, which is `outside` here."""
    return archive(hard_link("name", "only-outside"))


@ESCAPES.layer
def hard_link_through_a_symlink_then_write(outside: str) -> bytes:
    return archive(symlink("escape", outside), hard_link("name", "escape/victim"), file("name"))


@ESCAPES.layer
def hard_link_to_a_symlink_then_chmod_cve_2021_32760(outside: str) -> bytes:
    """containerd changed the mode of what a link, met again as a hard link, points to."""
    return archive(
        symlink("link", f"{outside}/victim"),
        hard_link("name", "link", mode=0o4777),
        hard_link("again", "name", mode=0o777, uid=4, gid=4),
    )


@ESCAPES.layer
def attributes_of_a_symlink(outside: str) -> bytes:
    link = symlink("link", f"{outside}/victim", mode=0o777, uid=1000, gid=1000, mtime=1)
    return archive(with_xattrs(link, {"user.hostile": "1", "trusted.hostile": "1"}))


@ESCAPES.refused
def root_that_is_a_symlink_cve_2021_29136(outside: str) -> bytes:
    """umoci replaced the root by a link, and applied the rest of the layer to its target."""
    return archive(symlink(".", outside), file("new"))


@ESCAPES.refused
def root_that_is_a_symlink_by_an_absolute_name(outside: str) -> bytes:
    return archive(symlink("/", outside), file("new"))


@ESCAPES.refused
def root_that_is_a_file(_: str) -> bytes:
    return archive(file("./"), file("new"))


@ESCAPES.refused
def root_that_is_a_hard_link(outside: str) -> bytes:
    return archive(hard_link("/", f"{outside}/victim"))


@ESCAPES.layer
def path_longer_than_path_max_cve_2025_4517(outside: str) -> bytes:
    """Python's tarfile checked a path that realpath(3) gives up on, since the expanded links exceed PATH_MAX."""
    part, path, members = "d" * 247, "", []
    steps = "abcdefghijklmnop"
    for step in steps:
        members += [directory(f"{path}{part}"), symlink(f"{path}{step}", part)]
        path += f"{part}/"
    long_link = "/".join(steps) + "/" + "l" * 254
    members += [
        symlink(long_link, "../" * len(steps)),
        symlink("escape", f"{long_link}/{UP}{outside[1:]}"),
        hard_link("name", "escape/victim"),
        file("name"),
        file("escape/new"),
    ]
    return archive(*members)


@ESCAPES.layer
def symlink_that_normalises_to_the_inside_cve_2025_4330(outside: str) -> bytes:
    """tarfile normalised the target of a link, where `link/..` is not what it looks like."""
    return archive(
        directory("deep/er"),
        symlink("up", "deep/er/../../.."),
        symlink("deep/escape", f"../up/{UP}{outside[1:]}"),
        file("deep/escape/victim"),
        hard_link("name", "deep/escape/victim"),
    )


@ESCAPES.layer
def symlink_to_the_outside_kept_cve_2025_4138(outside: str) -> bytes:
    """tarfile made links to the outside, from which their targets were then read and written."""
    return archive(symlink("escape", f"{outside}/victim"), hard_link("copy", "escape"), file("copy/new"))


@ESCAPES.layer
def symlink_through_proc(outside: str) -> bytes:
    return archive(
        symlink("root", f"/proc/self/root{outside}"),
        file("root/victim"),
        symlink("cwd", "/proc/self/cwd"),
        file("cwd/victim"),
    )


@ESCAPES.layer
def symlink_loop(_: str) -> bytes:
    return archive(symlink("a", "b"), symlink("b", "a"), file("a/new"))


@ESCAPES.layer
def fifo_then_write_to_it(_: str) -> bytes:
    return archive(
        special("pipe", tarfile.FIFOTYPE), file("pipe"), special("pipe2", tarfile.FIFOTYPE), file("pipe2/x")
    )


@ESCAPES.layer
def device_of_the_disk_then_write_to_it(_: str) -> bytes:
    return archive(special("disk", tarfile.BLKTYPE, 7, 200), hard_link("name", "disk"), file("disk"), file("name"))


@ESCAPES.layer
def attributes_of_another_owner(_: str) -> bytes:
    return archive(
        with_xattrs(file("capable"), {"security.capability": "not a capability"}),
        file("setuid", mode=0o4755, uid=0),
        directory("sticky", mode=0o7777),
    )
