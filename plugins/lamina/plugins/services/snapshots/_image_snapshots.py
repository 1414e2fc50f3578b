"""Snapshots in the keyspaces of images, which a collector removes when nothing needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from lamina.context import current
from lamina.snapshots import Info, InSteps
from lamina.steps import BLOCKING, Steps

if TYPE_CHECKING:
    from lamina.metadata import MetadataStore, Resource
    from lamina.mount import Mount


class ImageSnapshots(InSteps):
    """Reports changes to the collector, and fills the lease of each call, like containerd's metadata store."""

    def __init__(
        self, snapshotter: InSteps, metadata: MetadataStore, namespace: str, name: str, *, quick: bool
    ) -> None:
        """Work with a snapshotter.

        Args:
            snapshotter: The snapshotter, in the keyspace of the namespace's images.
            metadata: Has the leases, and notifies the collector.
            namespace: The namespace.
            name: The plugin id of the snapshotter.
            quick: Whether removing a snapshot takes no longer than a step.
        """
        self._snapshotter = snapshotter
        self._metadata = metadata
        self._namespace = namespace
        self._name = name
        self._quick = quick

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        yield from self._wait()
        with self._changing([info.name], info.labels):
            return (yield from self._snapshotter.update_steps(info, fieldpaths))

    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield from self._wait()
        with self._changing([key, parent], labels or {}):
            yield from self._lease(key)
            return (yield from self._snapshotter.prepare_steps(key, parent, labels))

    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield from self._wait()
        with self._changing([key, parent], labels or {}):
            yield from self._lease(key)
            return (yield from self._snapshotter.view_steps(key, parent, labels))

    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        yield from self._wait()
        with self._changing([name, key, parent], labels or {}):
            yield from self._lease(name)
            yield from self._snapshotter.commit_steps(name, key, labels, parent)
            yield from self._give_up(key)

    def remove_steps(self, key: str) -> Steps[None]:
        yield from self._snapshotter.remove_steps(key)
        yield from self._give_up(key)

    def _wait(self) -> Steps[None]:
        if not self._quick:
            yield BLOCKING

    def _changing(self, keys: Collection[str], labels: Mapping[str, str]) -> AbstractContextManager[None]:
        return self._metadata.changing_snapshots(self._namespace, self._name, keys, labels)

    def _lease(self, key: str) -> Steps[None]:
        """Add a snapshot to the lease of the call."""
        if lease := current().lease:
            yield BLOCKING
            self._metadata.leases(self._namespace).add(lease, self._resource(key))

    def _give_up(self, key: str) -> Steps[None]:
        """Remove a snapshot that is gone from the lease of the call."""
        if lease := current().lease:
            yield BLOCKING
            self._metadata.leases(self._namespace).remove(lease, self._resource(key))

    def _resource(self, key: str) -> Resource:
        from lamina.metadata import Resource

        return Resource(f"snapshots/{self._name}", key)
