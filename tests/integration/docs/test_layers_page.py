"""The blocks of `docs/layers.md` work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.directories import CHECKOUT
from tests.support.processes.terminals import clone, served

PAGE = (CHECKOUT / "docs/layers.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)

SNAPSHOTS = """
lamina snapshots prepare base-work
lamina snapshots mount base-work /mnt
touch /mnt/old
lamina snapshots unmount /mnt
lamina snapshots commit base base-work
lamina snapshots prepare app base
lamina snapshots mount app /mnt
touch /mnt/new
rm /mnt/old
lamina snapshots unmount /mnt
"""


@pytest.mark.requires("root", "overlay", "tar")
def test_the_commands_work() -> None:
    """On snapshots with the names of the page."""
    (block,) = [text for language, text in BLOCKS if language == "sh"]
    with clone() as tree, served(tree, ".venv/bin/lamina serve") as type_:
        type_(SNAPSHOTS)
        shown = type_(block)
    assert re.search(r"^A +0 B +/new$", shown, re.MULTILINE)
    assert re.search(r"^D +/old$", shown, re.MULTILINE)
    assert shown.endswith("\n.wh.old\nnew\n")
    gzip, zstd = re.findall(r"^diff ID (sha256:\w+)$", shown, re.MULTILINE)
    assert gzip != zstd


def test_the_program_works(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (program,) = [text.replace("/srv", str(tmp_path)) for language, text in BLOCKS if language == "python"]
    shown = run(sys.executable, "-c", program)
    assert re.fullmatch(r"sha256:\w+ sha256:\w+ 2\n", shown)
    assert (tmp_path / "layer.tar.zst").stat().st_size > 0


def test_every_block_is_executed() -> None:
    assert sorted(language for language, _ in BLOCKS) == ["python", "sh"]
