"""Adapts snapshotters to the interfaces that the service uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from google.protobuf.message import Message

from lamina import api  # `info_to_proto` is looked up in calls, since few starts need it
from lamina.api import encode
from lamina.api.messages import snapshots_pb2 as pb
from lamina.mount import Mount
from lamina.plugins.services.snapshots._wrong_result import wrong_result
from lamina.snapshots import Info, InfoMessages, InSteps, Snapshotter, Usage, Versioned
from lamina.steps import BLOCKING, Steps

M = TypeVar("M", bound=Message)
R = TypeVar("R")


class SnapshotterAdapter:
    """Adds the interfaces that the service uses to snapshotters that do not implement them."""

    def __init__(self, snapshotter: Snapshotter, id: str) -> None:  # noqa: A002 - containerd's word
        """Adapt a snapshotter.

        Args:
            snapshotter: The snapshotter.
            id: Its plugin id.
        """
        self.snapshotter = snapshotter
        self._id = id
        self.in_steps: InSteps = snapshotter if isinstance(snapshotter, InSteps) else _Blocking(snapshotter)
        """Its operations in steps; each is one blocking step if it does not implement them."""
        self.messages = snapshotter if isinstance(snapshotter, InfoMessages) else _Encoded(self)
        """Its infos as encoded messages."""
        self.versioned = snapshotter if isinstance(snapshotter, Versioned) else _WithoutVersions(self)
        """Its stats and mounts with their versions, None if it has none."""

    def mounts_in(self, response: type[M], mounts: Iterable[Mount]) -> M:
        """Return a response with mounts that the snapshotter returned.

        Raises:
            TypeError: They are not mounts.
        """
        try:
            # `mounts_to_proto` would take longer: its messages are copied into the response.
            fields = [
                {"type": mount.type, "source": mount.source, "target": mount.target, "options": mount.options}
                for mount in mounts
            ]
            return encode(response, mounts=fields)
        except (AttributeError, TypeError) as error:
            raise wrong_result(self._id, mounts, "a list of lamina.mount.Mount") from error

    def info_in(self, info: Info) -> pb.Info:
        """Return the message of an info that the snapshotter returned.

        Raises:
            TypeError: It is not an info.
        """
        return self._converted(api.info_to_proto, info, "a lamina.snapshots.Info")

    def infos_in(self, *filters: str) -> Iterator[pb.Info]:
        """Yield the messages of the infos that match filters.

        Raises:
            TypeError: The snapshotter returned something else.
        """
        found = self.snapshotter.walk(*filters)
        try:
            infos = iter(found)
        except TypeError as error:
            raise wrong_result(self._id, found, "an iterator of lamina.snapshots.Info") from error
        return map(self.info_in, infos)

    def usage_in(self, usage: Usage) -> pb.UsageResponse:
        """Return the message of a usage that the snapshotter returned.

        Raises:
            TypeError: It is not a usage.
        """
        return self._converted(api.usage_to_proto, usage, "a lamina.snapshots.Usage")

    def _converted(self, convert: Callable[[R], M], returned: R, expected: str) -> M:
        """Convert a result of the snapshotter; raise the TypeError of `wrong_result` if it has another type."""
        try:
            return convert(returned)
        except (AttributeError, TypeError) as error:
            raise wrong_result(self._id, returned, expected) from error


class _Encoded(InfoMessages):
    def __init__(self, adapter: SnapshotterAdapter) -> None:
        self._adapter = adapter

    def stat_message(self, key: str) -> bytes:
        info = self._adapter.info_in(self._adapter.snapshotter.stat(key))
        return encode(pb.StatSnapshotResponse, info=info).SerializeToString()

    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        for info in self._adapter.infos_in(*filters):
            yield encode(pb.ListSnapshotsResponse, info=[info]).SerializeToString()


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
