"""Operations on a snapshotter whose acknowledgements are noted beside the log of the disk.

``python -m tests.support.disks.cut_workload MOUNTPOINT BACKEND LOG SEED OPERATIONS`` prints a JSON object for
each operation: what it was, and how long the log of the disk was before it began and when it was answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lamina.mount import temporary_mount
from lamina.snapshots.local import LocalSnapshotter, _tidying
from tests.support.disks.snapshotters import open_on

CLIENTS: Final = ("a", "b")
"""The clients, at work side by side, each with keys that begin with its name."""
UNCHANGED: Final = 0.4
"""The share of layers in which no file is written."""
ROOT: Final = "."
"""The root directory's path in a tree."""
SNAPSHOTS: Final = 8
"""How many snapshots a client has, more or less."""


class Client:
    """Does operations by chance on snapshots of its own, one after the other."""

    def __init__(self, name: str, snapshotter: LocalSnapshotter, log: Path, seed: str) -> None:
        self._name = name
        self._snapshotter = snapshotter
        self._log = log
        self._chance = random.Random(f"{seed} {name}")
        self._number = 0
        self._actives: dict[str, str] = {}
        """Active snapshots and their parents."""
        self._views: dict[str, str] = {}
        self._layers: dict[str, str] = {}
        """Committed snapshots and their parents."""
        self._trees: dict[str, dict[str, str]] = {"": {}}
        """The digest of each file of a committed snapshot."""

    def run(self, operations: int) -> Iterator[dict[str, Any]]:
        """Do so many operations."""
        for _ in range(operations):
            operation = self._chance.choice(("prepare", "commit", "commit", "view", "remove"))
            crowded = len(self._actives) + len(self._layers) + len(self._views) > SNAPSHOTS
            if operation == "commit" and self._actives:
                yield self._commit(self._chance.choice(list(self._actives)))
            elif operation == "view" and self._layers and not crowded:
                yield self._view()
            elif (operation == "remove" or crowded) and self._removable():
                yield self._remove(self._chance.choice(self._removable()))
            else:
                yield self._prepare()

    def _answered(self, began: int, **fields: object) -> dict[str, Any]:
        return {**fields, "client": self._name, "began": began, "answered": os.stat(self._log).st_size}

    def _next(self, what: str) -> str:
        self._number += 1
        return f"{self._name} {what} {self._number}"

    def _prepare(self) -> dict[str, Any]:
        key, parent = self._next("active"), self._chance.choice(["", *self._layers])
        began = os.stat(self._log).st_size
        self._snapshotter.prepare(key, parent)
        self._actives[key] = parent
        return self._answered(began, operation="prepare", key=key, parent=parent)

    def _view(self) -> dict[str, Any]:
        key, parent = self._next("view"), self._chance.choice(list(self._layers))
        began = os.stat(self._log).st_size
        self._snapshotter.view(key, parent)
        self._views[key] = parent
        return self._answered(began, operation="view", key=key, parent=parent)

    def _commit(self, key: str) -> dict[str, Any]:
        name, parent = self._next("layer"), self._actives[key]
        with temporary_mount(self._snapshotter.mounts(key)) as root:
            tree = self._change(Path(root), name, self._trees[parent])
        began = os.stat(self._log).st_size
        self._snapshotter.commit(name, key)
        del self._actives[key]
        self._layers[name], self._trees[name] = parent, tree
        return self._answered(began, operation="commit", key=key, name=name, parent=parent, tree=tree)

    def _change(self, root: Path, name: str, tree: dict[str, str]) -> dict[str, str]:
        """Write to a snapshot, or only change the root's mode, or do nothing; return the tree that results."""
        changed = {path: content for path, content in tree.items() if path != ROOT}
        share = self._chance.random()
        if share > UNCHANGED:
            self._write(root, name, changed)
        elif share < UNCHANGED / 4:
            root.chmod(self._chance.choice((0o700, 0o711)))
        return {**changed, ROOT: root_of(root)}

    def _write(self, root: Path, name: str, changed: dict[str, str]) -> None:
        """Make files, replace one and delete one of the parent's."""
        for path in self._chance.sample(sorted(changed), min(1, len(changed))):
            (root / path).unlink()
            del changed[path]
        made = [f"{name}/{number}" for number in range(self._chance.randrange(1, 4))]
        (root / name).mkdir()
        for path in made + self._chance.sample(sorted(changed), min(1, len(changed))):
            content = self._chance.randbytes(self._chance.choice((0, 100, 5_000, 60_000)))
            (root / path).write_bytes(content)
            changed[path] = digest(content)

    def _removable(self) -> list[str]:
        parents = {*self._actives.values(), *self._views.values(), *self._layers.values()}
        return [key for key in (*self._actives, *self._views, *self._layers) if key not in parents]

    def _remove(self, key: str) -> dict[str, Any]:
        began = os.stat(self._log).st_size
        self._snapshotter.remove(key)
        for snapshots in (self._actives, self._views, self._layers):
            snapshots.pop(key, None)
        return self._answered(began, operation="remove", key=key)


def root_of(root: Path) -> str:
    """The mode of a root directory, and its time of modification."""
    status = root.stat()
    return f"{status.st_mode:o} {status.st_mtime_ns}"


def digest(content: bytes) -> str:
    """Short, for there are many."""
    return hashlib.sha256(content).hexdigest()[:16]


def main(mountpoint: str, backend: str, log: str, seed: str, operations: str) -> None:
    """Run the clients side by side."""
    _tidying.BOOT_ID = f"{log}.boot"
    with open_on(Path(mountpoint), backend) as snapshotter:
        clients = [Client(name, snapshotter, Path(log), seed) for name in CLIENTS]

        def work(client: Client) -> None:
            for answered in client.run(int(operations)):
                sys.stdout.write(json.dumps(answered) + "\n")

        threads = [threading.Thread(target=work, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
