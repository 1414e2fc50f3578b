"""`containerd.services.snapshots.v1.Snapshots`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.message import Message

from lamina.api import Method, Response, Service, Target, VersionedResponse, encode, names_to_exports
from lamina.api.messages import snapshots_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.context import current
from lamina.errdefs import InvalidArgument
from lamina.images import namespace_of
from lamina.plugin import Meta
from lamina.plugins.services.snapshots._adapter import SnapshotterAdapter
from lamina.plugins.services.snapshots._config import SnapshotsConfig
from lamina.plugins.services.snapshots._image_snapshots import ImageSnapshots
from lamina.plugins.services.snapshots._names import Names
from lamina.snapshots import Info, InSteps, Versioned
from lamina.steps import Steps

if TYPE_CHECKING:
    from lamina.metadata import MetadataStore

M = TypeVar("M", bound=Message)

MAX_CHUNK: Final = 100
"""Maximum number of snapshots in one message of a list, as in containerd."""
MAX_CHUNK_BYTES: Final = 1 << 20
"""Maximum bytes in a message of several snapshots, far below the 4 MiB that gRPC clients accept by default."""

_LOGGED: Final = {
    "snapshotter": "snapshotter",
    "key": "key",
    "info.name": "key",
    "parent": "parent",
    "name": "committed",
}
"""Fields of requests that identify snapshots, and their names in log lines."""


class SnapshotsService:
    """The snapshotters of a host by name. Calls need no namespace, since containerd's proxy client sends none."""

    def __init__(
        self, names: Names, meta: Meta | None = None, metadata: Callable[[], MetadataStore | None] = lambda: None
    ) -> None:
        """Create the service.

        Args:
            names: The names of the snapshotters.
            meta: Gets the names as exports: one that works as `snapshotter`, and the names of each snapshotter.
            metadata: Returns the metadata for snapshots of images; None if there is none.
        """
        self._metadata = metadata
        self._meta = Meta() if meta is None else meta
        self._use(names)
        self.export_names()
        self.service = Service(
            name="containerd.services.snapshots.v1.Snapshots",
            methods=(
                self._method("Prepare", pb.PrepareSnapshotRequest, self._prepare, slow=True, in_steps=True),
                self._method("View", pb.ViewSnapshotRequest, self._view, slow=True, in_steps=True),
                self._method("Mounts", pb.MountsRequest, self._mounts),
                self._method("Commit", pb.CommitSnapshotRequest, self._commit, slow=True, in_steps=True),
                self._method("Remove", pb.RemoveSnapshotRequest, self._remove, slow=True, in_steps=True),
                self._method("Stat", pb.StatSnapshotRequest, self._stat),
                self._method("Update", pb.UpdateSnapshotRequest, self._update, slow=True, in_steps=True),
                self._method("List", pb.ListSnapshotsRequest, self._list, streams=True, slow=True),
                self._method("Usage", pb.UsageRequest, self._usage, slow=True),
                self._method("Cleanup", pb.CleanupRequest, self._cleanup, slow=True),
            ),
        )

    def _method(self, name: str, request: type[Message], handler: Callable[[Any], Any], **how: bool) -> Method:
        """Return a method whose requests name a snapshotter."""
        return Method(name, request, handler, target=self._target, logged=_LOGGED, **how)

    def _target(self, request: Any) -> Target | None:
        """Return the snapshotter of a request, the same for all its names; None if the name is unknown."""
        return self._targets.get(request.snapshotter) or self._new_target(request.snapshotter)

    def _new_target(self, name: str) -> Target | None:
        targets = self._targets  # as in `_find`
        name, _ = self._names.split(name)
        id_ = self._names.id(name)
        snapshotter = self._names.snapshotters.get(id_)
        if snapshotter is None:
            return None
        target = targets[name] = Target(id_, quick=isinstance(snapshotter, InSteps))
        return target

    def reconfigure(self, config: SnapshotsConfig) -> None:
        """Use the aliases of another configuration for new calls. Calls in progress are not affected.

        The keyspace of a removed alias keeps its snapshots, which are visible again if the alias is added again.

        Raises:
            InvalidArgument: An alias is empty, or the id of another snapshotter. Nothing has changed.
        """
        snapshotters = self._names.snapshotters
        self._use(Names(snapshotters, config.aliases_beside(snapshotters.ids)))
        self.export_names()

    def _use(self, names: Names) -> None:
        self._names = names
        self._targets: dict[str, Target] = {}
        self._adapters: dict[str, SnapshotterAdapter] = {}
        """Adapters of names that were found, since checking the types takes half of the time of `_find`."""
        self._names_version = object()
        """Identifies the names. Replaced last: a call that has the new one uses the new names."""

    def export_names(self) -> None:
        """Export the names of the working snapshotters."""
        preferred = self._names.preferred()
        # Replace the dict as a whole: other threads may be reading it.
        self._meta.exports = {
            **({"snapshotter": preferred} if preferred else {}),
            **names_to_exports(self._names.by_snapshotter(), self._names.dangling()),
        }

    def _find(self, name: str) -> SnapshotterAdapter:
        adapters = self._adapters  # read before `_names`, which `_use` replaces first
        found = adapters.get(name)
        if found is None:
            short, keyspace = self._names.split(name)
            found = SnapshotterAdapter(self._names.find(name), self._names.id(short))
            if keyspace is not None:  # any number of them may exist
                current().tags["snapshotter"] = short
                return self._with_metadata(found, self._names.id(short), keyspace)
            adapters[name] = found
        current().tags["snapshotter"] = name
        return found

    def _with_metadata(self, found: SnapshotterAdapter, id_: str, keyspace: str) -> SnapshotterAdapter:
        namespace = namespace_of(keyspace)
        metadata = self._metadata() if namespace else None
        if metadata is not None:
            quick = isinstance(found.snapshotter, InSteps)
            found.in_steps = ImageSnapshots(found.in_steps, metadata, namespace, id_, quick=quick)
        return found

    def _prepare(self, request: pb.PrepareSnapshotRequest) -> Steps[pb.PrepareSnapshotResponse]:
        found = self._find(request.snapshotter)
        mounts = yield from found.in_steps.prepare_steps(request.key, request.parent, dict(request.labels))
        return found.mounts_in(pb.PrepareSnapshotResponse, mounts)

    def _view(self, request: pb.ViewSnapshotRequest) -> Steps[pb.ViewSnapshotResponse]:
        found = self._find(request.snapshotter)
        mounts = yield from found.in_steps.view_steps(request.key, request.parent, dict(request.labels))
        return found.mounts_in(pb.ViewSnapshotResponse, mounts)

    def _mounts(self, request: pb.MountsRequest) -> Response:
        names, found = self._names_version, self._find(request.snapshotter)
        mounts, version = found.versioned.versioned_mounts(request.key)
        return self._versioned(found.mounts_in(pb.MountsResponse, mounts), found.versioned, names, version)

    def _commit(self, request: pb.CommitSnapshotRequest) -> Steps[Empty]:
        snapshotter = self._find(request.snapshotter).in_steps
        yield from snapshotter.commit_steps(request.name, request.key, dict(request.labels), request.parent)
        return Empty()

    def _remove(self, request: pb.RemoveSnapshotRequest) -> Steps[Empty]:
        yield from self._find(request.snapshotter).in_steps.remove_steps(request.key)
        return Empty()

    def _stat(self, request: pb.StatSnapshotRequest) -> Response:
        names, snapshotter = self._names_version, self._find(request.snapshotter).versioned
        message, version = snapshotter.versioned_stat_message(request.key)
        return self._versioned(message, snapshotter, names, version)

    def _versioned(
        self, response: Message | bytes, snapshotter: Versioned, names: object, version: object
    ) -> Response:
        """Return a response with its version, if it has one."""
        if version is None:
            return response
        return VersionedResponse(response, (names, version), functools.partial(self._version, snapshotter))

    def _version(self, snapshotter: Versioned) -> object:
        return self._names_version, snapshotter.version()

    def _update(self, request: pb.UpdateSnapshotRequest) -> Steps[pb.UpdateSnapshotResponse]:
        found = self._find(request.snapshotter)
        if not request.HasField("info"):
            raise InvalidArgument("info argument missing")
        # Only labels can change. The timestamps are not read, since clients may send invalid ones.
        info = Info(name=request.info.name, labels=dict(request.info.labels))
        updated = yield from found.in_steps.update_steps(info, tuple(request.update_mask.paths))
        return encode(pb.UpdateSnapshotResponse, info=found.info_in(updated))

    def _list(self, request: pb.ListSnapshotsRequest) -> Iterator[bytes]:
        infos = self._find(request.snapshotter).messages.walk_messages(*request.filters)
        yield from map(b"".join, _chunks(infos))

    def _usage(self, request: pb.UsageRequest) -> pb.UsageResponse:
        found = self._find(request.snapshotter)
        return found.usage_in(found.snapshotter.usage(request.key))

    def _cleanup(self, request: pb.CleanupRequest) -> Empty:
        self._find(request.snapshotter).snapshotter.cleanup()
        return Empty()


def _chunks(infos: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Group infos into lists that fit into one message each."""
    chunk: list[bytes] = []
    size = 0
    for info in infos:
        if chunk and (len(chunk) == MAX_CHUNK or size + len(info) > MAX_CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(info)
        size += len(info)
    if chunk:
        yield chunk
