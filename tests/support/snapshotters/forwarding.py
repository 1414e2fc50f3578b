"""A snapshotter that stands before another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina.mount import Mount
from lamina.snapshots import Info, Snapshotter, Usage


class Forwarding(Snapshotter):
    """A snapshotter that does what another one does."""

    def __init__(self, inner: Snapshotter) -> None:
        self.inner = inner

    def stat(self, key: str) -> Info:
        return self.inner.stat(key)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info, fieldpaths)

    def usage(self, key: str) -> Usage:
        return self.inner.usage(key)

    def mounts(self, key: str) -> list[Mount]:
        return self.inner.mounts(key)

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.prepare(key, parent, labels)

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.view(key, parent, labels)

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        self.inner.commit(name, key, labels, parent)

    def remove(self, key: str) -> None:
        self.inner.remove(key)

    def walk(self, *filters: str) -> Iterator[Info]:
        return self.inner.walk(*filters)
