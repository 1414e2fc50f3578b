"""Snapshotters with one fault each in what they answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import attrs

from lamina.context import CallContext, current, use
from lamina.errdefs import AlreadyExists, Canceled, FailedPrecondition, HasChildren, InvalidArgument, NotFound
from lamina.mount import Mount
from lamina.snapshots import Info, Kind, Snapshotter, Usage
from tests.support.snapshotters.forwarding import Forwarding


class Wrapper(Forwarding):
    """Passes everything on."""

    def cleanup(self) -> None:
        self.inner.cleanup()

    def keyspace(self, name: str) -> Snapshotter:
        return self.inner.keyspace(name)

    def close(self) -> None:
        self.inner.close()


class FilterIgnored(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        self.inner.walk(*filters)
        return self.inner.walk()


class FilterErrorSwallowed(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        with contextlib.suppress(InvalidArgument):
            return self.inner.walk(*filters)
        return iter(())


class WalkUnsorted(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        return reversed(list(self.inner.walk(*filters)))


class WalkCutOff(Wrapper):
    def walk(self, *filters: str) -> Iterator[Info]:
        return iter(list(self.inner.walk(*filters))[:100])


class LabelsInherited(Wrapper):
    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        self.inner.commit(name, key, {**self.inner.stat(key).labels, **(labels or {})}, parent)


class LabelLimitIgnored(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return self.inner.prepare(key, parent, {k: v[:1000] for k, v in (labels or {}).items()})


class UpdatedNotMoved(Wrapper):
    def stat(self, key: str) -> Info:
        info = self.inner.stat(key)
        return attrs.evolve(info, updated=info.created)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        self.inner.update(info, fieldpaths)
        return self.stat(info.name)


class ImmutableFieldAccepted(Wrapper):
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info, tuple(path for path in fieldpaths if path.startswith("labels")))


class UpdateReplacesAll(Wrapper):
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        return self.inner.update(info)


class KeyNotFreed(Wrapper):
    def __init__(self, inner: Snapshotter) -> None:
        super().__init__(inner)
        self.committed: dict[str, Info] = {}

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        info = self.inner.stat(key)
        self.inner.commit(name, key, labels, parent)
        self.committed[key] = info

    def stat(self, key: str) -> Info:
        return self.committed.get(key) or self.inner.stat(key)


class CreatedKept(Wrapper):
    """A committed snapshot says that it was made when its active one was."""

    def __init__(self, inner: Snapshotter) -> None:
        super().__init__(inner)
        self.created: dict[str, int] = {}

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        created = self.inner.stat(key).created
        self.inner.commit(name, key, labels, parent)
        self.created[name] = created

    def stat(self, key: str) -> Info:
        info = self.inner.stat(key)
        return attrs.evolve(info, created=self.created.get(key, info.created))


class ChildrenNotProtected(Wrapper):
    def remove(self, key: str) -> None:
        with contextlib.suppress(HasChildren):
            self.inner.remove(key)


class UsageAlwaysZero(Wrapper):
    def usage(self, key: str) -> Usage:
        self.inner.stat(key)
        return Usage()


class AlreadyExistsInsteadOfNotFound(Wrapper):
    def stat(self, key: str) -> Info:
        try:
            return self.inner.stat(key)
        except NotFound as error:
            raise AlreadyExists(str(error)) from error


class TwoWinners(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        try:
            return self.inner.prepare(key, parent, labels)
        except AlreadyExists:
            return self.inner.mounts(key)


class CancelledTooLate(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        context = current()
        with use(CallContext()):
            mounts = self.inner.prepare(key, parent, labels)
        if context.cancelled:
            raise Canceled("the caller gave up")
        return mounts


class ParentCheckedLast(Wrapper):
    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        for info in self.inner.walk():
            if info.name == key:
                raise AlreadyExists(key)
        return self.inner.prepare(key, parent, labels)


class CommittedMounts(Wrapper):
    def mounts(self, key: str) -> list[Mount]:
        if self.inner.stat(key).kind is Kind.COMMITTED:
            return []
        return self.inner.mounts(key)


class CloseFailsTwice(Wrapper):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise FailedPrecondition("closed already")
        self.closed = True
        self.inner.close()


class KeyspacesMixed(Wrapper):
    def keyspace(self, name: str) -> Snapshotter:
        return self
