"""Whether a directory can be used."""

from __future__ import annotations

from pathlib import Path

from lamina.diagnosis import directory, nearest_existing
from lamina.plugin import Verdict


def test_of_one_that_is_to_be_made_the_nearest_above_is_looked_at(tmp_path: Path) -> None:
    path = str(tmp_path / "not/yet")
    assert nearest_existing(path) == str(tmp_path)
    (finding,) = directory("root", path)
    assert finding.status is Verdict.OK
    assert finding.found.startswith(f"{path} is to be made; {tmp_path} (mode 0700, ")
    assert not (tmp_path / "not").exists()


def test_what_is_no_directory_is_to_be_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "root"
    path.touch()
    (finding,) = directory("root", str(path))
    assert (finding.status, finding.remedy) == (Verdict.PROBLEM, f"mv {path} {path}.old")
