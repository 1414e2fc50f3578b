"""Copy-on-write root file systems in one's own process: no daemon, no socket.

Run it as root with a directory to keep the trees in::

    python examples/embed.py /var/tmp/sandboxes

The base tree is committed once. Each run of the script then works on a sandbox of its own and throws it away.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from lamina.errdefs import NotFound
from lamina.mount import temporary_mount
from lamina.plugins.snapshots.overlay import OverlayBackend, probe
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore


def main(directory: Path) -> None:
    data = directory / "overlay"
    data.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        store = MetaStore.open(str(directory / "metastore"))
        stack.callback(store.close)
        backend = OverlayBackend(str(data), options=probe(str(data), ()))
        snapshotter = LocalSnapshotter.open(backend, store.snapshotter("overlayfs"))
        stack.callback(snapshotter.close)

        try:
            snapshotter.stat("base")
        except NotFound:
            commit_base(snapshotter)
        use_sandbox(snapshotter)


def commit_base(snapshotter: LocalSnapshotter) -> None:
    with temporary_mount(snapshotter.prepare("making base")) as root:
        (Path(root) / "greeting").write_text("hello from the base\n")
    snapshotter.commit("base", "making base")
    print("committed the base")


def use_sandbox(snapshotter: LocalSnapshotter) -> None:
    with temporary_mount(snapshotter.prepare("sandbox", parent="base")) as root:
        greeting = Path(root) / "greeting"
        greeting.write_text(greeting.read_text() + "and from the sandbox\n")
        print(greeting.read_text(), end="")
    print(f"the sandbox took up {snapshotter.usage('sandbox').size} bytes")
    snapshotter.remove("sandbox")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
