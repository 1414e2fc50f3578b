"""Layers that delete, or mark, what is not theirs."""

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

WHITEOUTS: Final = Corpus()
OPAQUE: Final = ".wh..wh..opq"


@WHITEOUTS.layer
def whiteout_through_a_symlink(outside: str) -> bytes:
    return archive(symlink("escape", outside), file("escape/.wh.victim", b""), file("escape/.wh.sub", b""))


@WHITEOUTS.layer
def whiteout_through_a_symlink_of_a_lower_layer(_: str) -> bytes:
    return archive(file("out/.wh.victim", b""), file("out/.wh.sub", b""))


@WHITEOUTS.layer
def opaque_directory_through_a_symlink(outside: str) -> bytes:
    return archive(symlink("escape", outside), file(f"escape/{OPAQUE}", b""), file(f"out/{OPAQUE}", b""))


@WHITEOUTS.layer
def whiteout_of_a_symlink_to_a_directory(_: str) -> bytes:
    return archive(file(".wh.out", b""), file(".wh.victim", b""))


@WHITEOUTS.layer
def whiteout_with_parent_names(outside: str) -> bytes:
    return archive(file(f"{'../' * 40}{outside[1:]}/.wh.victim", b""))


@WHITEOUTS.refused
def whiteout_of_the_directory_itself(_: str) -> bytes:
    return archive(directory("d"), file("d/.wh..", b""))


@WHITEOUTS.refused
def whiteout_of_the_parent(_: str) -> bytes:
    return archive(directory("d"), file("d/.wh...", b""))


@WHITEOUTS.refused
def whiteout_of_the_root_s_parent(_: str) -> bytes:
    return archive(file(".wh...", b""))


@WHITEOUTS.refused
def whiteout_of_nothing(_: str) -> bytes:
    return archive(file("d/.wh.", b""))


@WHITEOUTS.layer
def whiteout_as_a_directory(_: str) -> bytes:
    return archive(directory(".wh.d"), file(".wh.d/file"))


@WHITEOUTS.layer
def whiteout_as_a_symlink(outside: str) -> bytes:
    return archive(symlink(".wh.plain", outside), hard_link(".wh.d", "plain"))


@WHITEOUTS.layer
def marks_of_aufs(_: str) -> bytes:
    return archive(
        directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs"), directory(".wh..wh.orph")
    )


@WHITEOUTS.layer
def opaque_root(_: str) -> bytes:
    return archive(file(OPAQUE, b""), file("new"))


@WHITEOUTS.layer
def whiteout_device_of_overlay(_: str) -> bytes:
    """A character device 0:0 hides the file of that name from everybody who mounts the upper directory."""
    return archive(special("plain", tarfile.CHRTYPE, 0, 0))


@WHITEOUTS.layer
def opaque_mark_of_overlay(_: str) -> bytes:
    return archive(with_xattrs(directory("d"), {"trusted.overlay.opaque": "y"}))


@WHITEOUTS.layer
def redirect_of_overlay(outside: str) -> bytes:
    return archive(with_xattrs(directory("moved"), {"trusted.overlay.redirect": outside}))


@WHITEOUTS.layer
def copied_up_metadata_of_overlay(outside: str) -> bytes:
    marks = {"trusted.overlay.metacopy": "", "trusted.overlay.redirect": f"{outside}/victim"}
    return archive(with_xattrs(file("copied", b""), marks))


@WHITEOUTS.layer
def marks_of_overlay_for_users(_: str) -> bytes:
    return archive(with_xattrs(directory("d"), {"user.overlay.opaque": "y", "user.overlay.redirect": "/plain"}))


OVERLAY_MARKS: Final = frozenset(
    maker.__name__
    for maker in (
        whiteout_device_of_overlay,
        opaque_mark_of_overlay,
        redirect_of_overlay,
        copied_up_metadata_of_overlay,
        marks_of_overlay_for_users,
    )
)
"""The layers that must be refused where overlayfs would read their marks."""
