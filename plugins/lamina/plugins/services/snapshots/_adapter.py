"""Adapts snapshotters to the interfaces that the service uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina import api  # `info_to_proto` is looked up in calls, since few starts need it
from lamina.api import encode
from lamina.api.messages import snapshots_pb2 as pb
from lamina.mount import Mount
from lamina.snapshots import Info, InfoMessages, InSteps, Snapshotter, Versioned
from lamina.steps import BLOCKING, Steps


class SnapshotterAdapter:
    """Adds the interfaces that the service uses to snapshotters that do not implement them."""

    def __init__(self, snapshotter: Snapshotter) -> None:
        """Adapt a snapshotter."""
        self.snapshotter = snapshotter
        self.in_steps: InSteps = snapshotter if isinstance(snapshotter, InSteps) else _Blocking(snapshotter)
        """Its operations in steps; each is one blocking step if it does not implement them."""
        self.messages = snapshotter if isinstance(snapshotter, InfoMessages) else _Encoded(snapshotter)
        """Its infos as encoded messages."""
        self.versioned = snapshotter if isinstance(snapshotter, Versioned) else _WithoutVersions(self)
        """Its stats and mounts with their versions, None if it has none."""


class _Encoded(InfoMessages):
    def __init__(self, snapshotter: Snapshotter) -> None:
        self._snapshotter = snapshotter

    def stat_message(self, key: str) -> bytes:
        info = api.info_to_proto(self._snapshotter.stat(key))
        return encode(pb.StatSnapshotResponse, info=info).SerializeToString()

    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        for info in self._snapshotter.walk(*filters):
            yield encode(pb.ListSnapshotsResponse, info=[api.info_to_proto(info)]).SerializeToString()


class _WithoutVersions(Versioned):
    def __init__(self, adapter: SnapshotterAdapter) -> None:
        self._adapter = adapter

    def version(self) -> object:
        return None

    def versioned_stat_message(self, key: str) -> tuple[bytes, object]:
        return self._adapter.messages.stat_message(key), None

    def versioned_mounts(self, key: str) -> tuple[list[Mount], object]:
        return self._adapter.snapshotter.mounts(key), None


class _Blocking(InSteps):
    def __init__(self, snapshotter: Snapshotter) -> None:
        self._snapshotter = snapshotter

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        yield BLOCKING
        return self._snapshotter.update(info, fieldpaths)

    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield BLOCKING
        return self._snapshotter.prepare(key, parent, labels)

    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield BLOCKING
        return self._snapshotter.view(key, parent, labels)

    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        yield BLOCKING
        self._snapshotter.commit(name, key, labels, parent)

    def remove_steps(self, key: str) -> Steps[None]:
        yield BLOCKING
        self._snapshotter.remove(key)
