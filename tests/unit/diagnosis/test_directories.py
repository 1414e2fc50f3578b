"""Findings about directories."""

from __future__ import annotations

from pathlib import Path

from lamina.diagnosis import directory, nearest_existing
from lamina.plugin import Verdict


def test_the_nearest_existing_parent_of_a_missing_directory_is_checked(tmp_path: Path) -> None:
    path = str(tmp_path / "not/yet")
    assert nearest_existing(path) == str(tmp_path)
    (finding,) = directory("root", path)
    assert finding.status is Verdict.OK
    assert finding.found.startswith(f"{path} will be created; {tmp_path} (mode 0700, ")
    assert not (tmp_path / "not").exists()


def test_the_remedy_moves_a_file_in_place_of_a_directory_away(tmp_path: Path) -> None:
    path = tmp_path / "root"
    path.touch()
    (finding,) = directory("root", str(path))
    assert (finding.status, finding.remedy) == (Verdict.PROBLEM, f"mv {path} {path}.old")


def test_a_directory_that_others_can_write_to_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    (finding,) = directory("root", str(tmp_path))
    assert (finding.status, finding.remedy) == (Verdict.PROBLEM, f"chmod o-w {tmp_path}")
    assert finding.found.startswith(f"{tmp_path} (mode 0777) can be written to by every user, who could")


def test_a_sticky_directory_is_accepted_if_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    (finding,) = directory("temp", str(tmp_path), shared=True)
    assert finding.status is Verdict.OK
