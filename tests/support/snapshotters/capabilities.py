"""The README's table of what each snapshotter can do, as a host that runs them all reports it.

`python -m tests.support.snapshotters.capabilities` writes it anew, as root.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from lamina.plugin import PluginType
from tests.support.directories import CHECKOUT, short_directory
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import mounted_btrfs

README = CHECKOUT / "README.md"
MEANINGS = {
    "rebase": "may unpack the layers of an image side by side: each is put on its parent when it is committed",
    "remap-ids": "has the kernel show a snapshot with the owners that a user namespace wants, else chowns a copy",
    "only-remap-ids": "never chowns a copy: it refuses where the kernel cannot (`slow_chown = true` allows it)",
}
"""What containerd does with each capability, in the order of the table."""
SNAPSHOTTERS = ("overlayfs", "native", "btrfs")
"""In the order of the table."""
_MARKER = "<!-- capabilities: python -m tests.support.snapshotters.capabilities -->\n"
_TABLE = re.compile(f"(?<={_MARKER}).*?(?=<!-- end -->)", re.DOTALL)


def reported() -> dict[str, tuple[str, ...]]:
    """The capabilities of each of lamina's snapshotters, from a host in which all of them work."""
    with short_directory() as directory, mounted_btrfs(directory) as btrfs:
        config = f'[plugins."{PluginType.SNAPSHOTTER}.btrfs"]\nroot_path = "{btrfs}/root"\n'
        with Host(directory / "host", config).running() as host, host.client() as client:
            found = client.plugins(f"type=={PluginType.SNAPSHOTTER}")
    plugins = [plugin for plugin in found if plugin.id in SNAPSHOTTERS]
    if failed := [f"{plugin.id}: {plugin.init_error}" for plugin in plugins if plugin.init_error]:
        raise RuntimeError("; ".join(failed))
    return {plugin.id: plugin.capabilities for plugin in plugins}


def table(capabilities: dict[str, tuple[str, ...]]) -> str:
    """The table, in Markdown."""
    return "".join(f"| {' | '.join(row)} |\n" for row in _rows(capabilities))


def _rows(capabilities: dict[str, tuple[str, ...]]) -> Iterator[list[str]]:
    names = sorted(capabilities, key=SNAPSHOTTERS.index)
    yield ["capability", *names, "with it, containerd"]
    yield ["---", *(":---:" for _ in names), "---"]
    for capability in sorted(set(itertools.chain(*capabilities.values())), key=[*MEANINGS].index):
        has = ["yes" if capability in capabilities[name] else "no" for name in names]
        yield [f"`{capability}`", *has, MEANINGS[capability]]


def written() -> str:
    """The table that is in the README."""
    found = _TABLE.search(README.read_text())
    if found is None:
        raise RuntimeError(f"{README} has no such table")
    return found[0]


def write(new: str) -> None:
    """Put a table into the README, in the place of the one that is there."""
    README.write_text(_TABLE.sub(lambda _: new, README.read_text(), count=1))


if __name__ == "__main__":
    write(table(reported()))
