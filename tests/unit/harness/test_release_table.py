"""The table of features by containerd release."""

from __future__ import annotations

from tests.support.interop.release_table import Outcome, table


def test_a_cell_is_yes_if_everything_passed_and_else_lists_what_passed() -> None:
    found = [
        Outcome("run", "1.10.0", "overlayfs", "passed"),
        Outcome("run", "1.10.0", "native", "passed"),
        Outcome("run", "1.9.1", "overlayfs", "passed"),
        Outcome("run", "1.9.1", "native", "failed"),
        Outcome("kill", "1.9.1", "", "failed"),
        Outcome("kill", "1.10.0", "", "skipped"),
    ]
    assert table(found).splitlines() == [
        "| containerd | 1.9.1 | 1.10.0 |",
        "| --- | :---: | :---: |",
        "| kill | no | - |",
        "| run | overlayfs | yes |",
    ]
