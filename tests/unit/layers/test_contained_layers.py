"""Nothing outside of the directory is touched, whatever the archive and the directory have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.errdefs import Error
from lamina.layers import Whiteouts
from lamina.testing import differences, read_tree
from tests.support.layers import apply, directory, fifo, file, hard_link, opaque, symlink, whiteout

ESCAPES = [
    "..",
    "../..",
    "../outside",
    "../../../../../../outside",
    "{outside}",
    "/proc/self/cwd",
    "/proc/self/root",
]
ACTIONS: dict[str, Sequence[bytes]] = {
    "a file": (file("link/planted"),),
    "a directory": (directory("link/planted"),),
    "a symlink": (symlink("link/planted", "x"),),
    "a fifo": (fifo("link/planted"),),
    "a hard link": (file("own"), hard_link("link/planted", "own")),
    "a hard link to": (hard_link("planted", "link/kept"),),
    "a whiteout of": (whiteout("link/kept"),),
    "an opaque whiteout of": (opaque("link"),),
    "a file over the link": (file("link", b"new"),),
    "a whiteout of the link": (whiteout("link"),),
    "attributes": (directory("link/.", 0o777),),
    "attributes of a directory": (directory("link/outside", 0o777),),
    "a file over a file": (file("link/kept", b"new"), file("link/outside/kept", b"new")),
    "attributes by a hard link": (hard_link("h", "link"), file("h", b"new", mode=0o777)),
}


@pytest.mark.parametrize("escape", ESCAPES)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("is_below", [True, False])
def test_a_symlink_never_leads_out(tmp_path: Path, escape: str, action: str, is_below: bool) -> None:
    root, outside = made(tmp_path)
    before = read_tree(outside)
    link = symlink("link", escape.format(outside=outside))
    try:
        if is_below:
            apply(root, link)
            apply(root, *ACTIONS[action])
        else:
            apply(root, link, *ACTIONS[action])
    except Error:
        pass
    assert differences(read_tree(outside), before) == []
    assert sorted(os.listdir(tmp_path)) == ["outside", "root"]
    assert (outside / "kept").stat().st_nlink == 1


@pytest.mark.parametrize("name", ["../outside/kept", "/../outside/kept", "a/../../outside/kept", "{outside}/kept"])
@pytest.mark.parametrize("whiteouts", Whiteouts)
def test_a_name_never_leads_out(tmp_path: Path, name: str, whiteouts: Whiteouts) -> None:
    root, outside = made(tmp_path)
    before = read_tree(outside)
    name = name.format(outside=outside)
    apply(root, file(name, b"new"), whiteout(name), whiteouts=whiteouts, is_lowest=True)
    with pytest.raises(Error):
        apply(root, hard_link("h", f"../{name}/x"), whiteouts=whiteouts, is_lowest=True)
    assert differences(read_tree(outside), before) == []


def made(tmp_path: Path) -> tuple[Path, Path]:
    """The directory to apply to, and one beside it that nothing may touch."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "kept").write_bytes(b"kept")
    (outside / "outside").mkdir()
    return root, outside
