"""`lamina doctor` without a host's data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lamina.cli.command import lamina


def doctor(directory: Path, *words: str) -> Result:
    """Examine the root directory in a directory, where no host runs."""
    return CliRunner().invoke(
        lamina, ["doctor", "--root", f"{directory}/root", "--state", f"{directory}/state", *words]
    )


def test_a_missing_directory_is_not_reported_as_healthy(tmp_path: Path) -> None:
    done = doctor(tmp_path)
    assert done.exit_code == 2
    assert f"there is no directory {tmp_path}/root: is it the right root directory?" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("holds", [(), ("somebody", "elses")], ids=["nothing", "something else"])
def test_a_directory_without_a_data_root_is_not_reported_as_healthy(
    tmp_path: Path, holds: tuple[str, ...]
) -> None:
    for name in ("", *holds):
        (tmp_path / "root" / name).mkdir()
    done = doctor(tmp_path)
    assert done.exit_code == 2
    assert f"there is no data root of lamina in {tmp_path}/root, nor a metastore" in done.stderr
    assert done.stdout == ""
    assert sorted(os.listdir(tmp_path / "root")) == sorted(holds), "nothing is left there either"


def test_a_host_without_snapshots_is_examined(tmp_path: Path) -> None:
    (tmp_path / "root" / "io.containerd.grpc.v1.introspection").mkdir(parents=True)
    done = doctor(tmp_path)
    assert done.exit_code == 0
    assert "there is no metastore in" in done.stdout


@pytest.mark.parametrize("words", [("--dry-run",), ("--dry-run", "--json")])
def test_dry_run_without_repair_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = doctor(tmp_path, *words)
    assert done.exit_code == 2
    assert "use --repair --dry-run" in done.stderr
