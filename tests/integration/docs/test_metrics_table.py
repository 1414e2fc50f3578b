"""The table of metrics in `docs/operations.md`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli

from tests.support.directories import short_directory
from tests.support.processes import scraping
from tests.support.processes.hosts import Host

PAGE = Path(__file__).parents[3] / "docs/operations.md"
ROW = re.compile(r"\| `((?:lamina|grpc)_\w+)` \| (\w+) \|(.*?)\| .* \|")
OF_THE_READING = {"le"}


@pytest.mark.requires("root", "overlay")
def test_the_table_lists_the_metrics_of_a_host() -> None:
    page = PAGE.read_text()
    written = {row[1]: (row[2], set(re.findall(r"`(\w+)`", row[3]))) for row in ROW.finditer(page)}
    example = re.search(r"```toml\n(\[plugins.\"io\.containerd\.server\.v1\.metrics.*?)```", page, re.DOTALL)
    assert example
    assert tomli.loads(example[1]) == tomli.loads(scraping.CONFIG.replace(":0", ":1338"))
    found = told()
    assert {name: kind for name, (kind, _) in written.items()} == {name: kind for name, (kind, _) in found.items()}
    assert {name: labels for name, (_, labels) in written.items() if found[name][1] is not None} == {
        name: labels for name, (_, labels) in found.items() if labels is not None
    }


def told() -> dict[str, tuple[str, set[str] | None]]:
    """The type and the labels of each metric of a host that was used; None for labels of what has no sample."""
    with short_directory() as directory, Host(directory, scraping.CONFIG).running() as host:
        with host.client() as client:
            client.snapshotter("lamina").prepare("a")
        families = scraping.families(scraping.url_in(host.stderr))
    found: dict[str, tuple[str, set[str] | None]] = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - OF_THE_READING
        if not name.startswith("process_"):
            found[name] = family.type, labels if family.samples else None
    return found
