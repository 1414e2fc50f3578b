"""The metastore compared with a model in plain dicts."""

from __future__ import annotations

import copy
import itertools
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lamina.errdefs import AlreadyExists, Error, FailedPrecondition, HasChildren, InvalidArgument, NotFound
from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.steps import run
from tests.support.rounds import rounds

# Few names, so that operations conflict; some are longer than LMDB's keys and share a prefix.
LONG = "k" * 600
NAMES = ["a", "b", "c", "d/e\nf", LONG, LONG + "x", LONG + "y", "k" * 478, "k" * 479, "k" * 505, "k" * 506, "ü"]
names = st.sampled_from(NAMES)
parents = st.one_of(st.just(""), names)
labels = st.dictionaries(st.sampled_from(["l1", "l2", "x/y.z"]), st.sampled_from(["", "1", "two"]), max_size=3)
keyspaces = st.sampled_from(["left", "right"])


@attrs.define
class Modelled:
    kind: Kind
    parent: str
    labels: dict[str, str]
    usage: Usage = attrs.field(factory=Usage)


Model = dict[str, Modelled]


def kept(wanted: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if value}


@attrs.frozen
class Create:
    kind: Kind
    key: str
    parent: str
    labels: dict[str, str]

    def on_model(self, model: Model) -> None:
        if self.parent and self.parent not in model:
            raise NotFound
        if self.parent and model[self.parent].kind is not Kind.COMMITTED:
            raise InvalidArgument
        if self.key in model:
            raise AlreadyExists
        model[self.key] = Modelled(self.kind, self.parent, kept(self.labels))

    def on_store(self, keyspace: Keyspace) -> None:
        run(keyspace.create(keyspace.draft(self.kind, self.key, self.parent, self.labels)))


@attrs.frozen
class Commit:
    name: str
    key: str
    labels: dict[str, str]
    parent: str
    usage: Usage

    def on_model(self, model: Model) -> None:
        if self.name in model:
            raise AlreadyExists
        if self.key not in model:
            raise NotFound
        snapshot = model[self.key]
        if snapshot.kind is not Kind.ACTIVE:
            raise FailedPrecondition
        parent = self.parent or snapshot.parent
        if snapshot.parent and parent != snapshot.parent:
            raise InvalidArgument
        if parent and not snapshot.parent:
            if parent not in model:
                raise NotFound
            if model[parent].kind is not Kind.COMMITTED:
                raise FailedPrecondition
        del model[self.key]
        model[self.name] = Modelled(Kind.COMMITTED, parent, kept(self.labels), self.usage)

    def on_store(self, keyspace: Keyspace) -> None:
        draft = keyspace.check_commit(self.name, self.key, self.parent)
        run(keyspace.commit(self.name, draft, self.labels, self.parent, self.usage))


@attrs.frozen
class Remove:
    key: str

    def on_model(self, model: Model) -> None:
        if self.key not in model:
            raise NotFound
        if any(other.parent == self.key for other in model.values()):
            raise HasChildren
        del model[self.key]

    def on_store(self, keyspace: Keyspace) -> None:
        run(keyspace.remove(self.key))


@attrs.frozen
class Update:
    key: str
    labels: dict[str, str]
    paths: tuple[str, ...]

    def on_model(self, model: Model) -> None:
        if self.key not in model:
            raise NotFound
        if "parent" in self.paths:
            raise InvalidArgument
        snapshot = model[self.key]
        for path in self.paths or ("labels",):
            if path == "labels":
                snapshot.labels = kept(self.labels)
                continue
            label = path.removeprefix("labels.")
            snapshot.labels.pop(label, None)
            if self.labels.get(label):
                snapshot.labels[label] = self.labels[label]

    def on_store(self, keyspace: Keyspace) -> None:
        run(keyspace.update(Info(self.key, labels=self.labels), self.paths))


Operation = Create | Commit | Remove | Update
operations: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Create, st.sampled_from([Kind.ACTIVE, Kind.VIEW]), names, parents, labels),
    st.builds(
        Commit, names, names, labels, parents, st.builds(Usage, st.integers(0, 2**60), st.integers(0, 2**40))
    ),
    st.builds(Remove, names),
    st.builds(
        Update,
        names,
        labels,
        st.lists(st.sampled_from(["labels", "labels.l1", "labels.x/y.z", "parent"]), max_size=2, unique=True).map(
            tuple
        ),
    ),
)


def outcome(call: Callable[[Any], None], on: Any) -> type[Error] | None:
    try:
        call(on)
    except Error as error:
        return type(error)
    return None


class MetaStoreMachine(RuleBasedStateMachine):
    """Random operations on two keyspaces of one store, alone and at once, with the store reopened in between."""

    @initialize()
    def open(self) -> None:
        self.path = tempfile.mkdtemp(prefix="lamina-metastore-")
        self.models: dict[str, Model] = {"left": {}, "right": {}}
        self.ids: set[int] = set()
        self._open()

    def _open(self) -> None:
        self.store = MetaStore.open(self.path, map_size=1 << 16)
        snapshotter = self.store.snapshotter("overlayfs")
        self.spaces = {name: snapshotter.keyspace(name) for name in self.models}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.path)

    @rule(space=keyspaces, operation=operations)
    def alone(self, space: str, operation: Operation) -> None:
        expected = outcome(operation.on_model, self.models[space])
        assert outcome(operation.on_store, self.spaces[space]) == expected

    @rule(space=keyspaces, batch=st.lists(operations, min_size=2, max_size=4))
    def at_once(self, space: str, batch: list[Operation]) -> None:
        """Concurrent operations have the outcome that they would have had in some order, one after the other."""
        with ThreadPoolExecutor(len(batch)) as pool:
            found = list(pool.map(lambda operation: outcome(operation.on_store, self.spaces[space]), batch))
        records = {record.info.name: record for record in self.spaces[space].walk()}
        for order in itertools.permutations(range(len(batch))):
            model = copy.deepcopy(self.models[space])
            expected = {index: outcome(batch[index].on_model, model) for index in order}
            if [expected[index] for index in range(len(batch))] == found and agree(model, records):
                self.models[space] = model
                return
        raise AssertionError(f"no order of {batch} leads to {found} and {records}")

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self._open()

    @invariant()
    def store_and_model_agree(self) -> None:
        for name, model in self.models.items():
            records = list(self.spaces[name].walk())
            keys = [record.info.name for record in records]
            assert keys == sorted(model, key=str.encode)
            assert agree(model, {record.info.name: record for record in records})

    @invariant()
    def every_identifier_leads_to_its_record(self) -> None:
        snapshotter = self.store.snapshotter("overlayfs")
        expected = {record.id: (name, record) for name, space in self.spaces.items() for record in space.walk()}
        assert [record.id for record in snapshotter.records()] == sorted(expected)
        assert {id_: snapshotter.record(id_) for id_ in expected} == expected


def agree(model: Model, records: dict[str, Record]) -> bool:
    """Whether records say what the model says, and each carries the chain of its parents."""
    if model.keys() != records.keys():
        return False
    for key, snapshot in model.items():
        record = records[key]
        chain = []
        parent = snapshot.parent
        while parent:
            chain.append(records[parent].id)
            parent = model[parent].parent
        found = Modelled(record.info.kind, record.info.parent, dict(record.info.labels), record.usage)
        if found != snapshot or record.parent_ids != tuple(chain):
            return False
    return True


TestMetaStore = MetaStoreMachine.TestCase
TestMetaStore.settings = settings(max_examples=rounds(15, 2000), stateful_step_count=30)
