"""Another project's snapshotter behind lamina: soci-snapshotter, whose overlays and store are as containerd's."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lamina.snapshots import Snapshotter
from lamina.testing import Conformance, SnapshotterFactory, Subject, Traits, Tree
from tests.support.directories import short_directory
from tests.support.interop import releases
from tests.support.processes.daemons import Daemon
from tests.support.processes.hosts import Host
from tests.support.snapshotters.backends import emptied

pytestmark = pytest.mark.requires("root", "overlay", "soci-snapshotter")

CONFIG = """
[proxy_plugins.soci]
type = "snapshot"
address = "{0}"
"""


NOT_PASSED = {
    "it makes a new root directory for each snapshot": (
        "test_the_root_keeps",
        "test_a_random_history",
        "test_a_parent_is_not_changed_by[soci-changing the root's time]",
    ),
    "the kernel passes over an opaque mark on a layer's root directory": (
        "test_a_layer_may_delete_all_that_is_below_it",
    ),
    "it is of a time before a parent could be given at commit": (
        "test_a_rebased_layer",
        "test_layers_can_be_put_on_a_rebased_layer",
        "test_the_new_parent_must_exist",
        "test_a_commit_is_refused[soci-with another parent",
    ),
    "its containerd checks limits before it is asked": (
        "test_a_label_cannot_be_longer",
        "test_a_key_cannot_be",
        "test_a_name_cannot_be_empty",
        "test_the_limit_counts_bytes",
    ),
    "it looks at the active snapshot of a commit first": ("test_a_commit_is_refused[soci-of nothing",),
    "its errors do not name the snapshot": ("test_what_does_not_exist_is_not_found",),
}
"""Reason to the checks that it cannot pass by its design, as their names begin."""


class Soci:
    """The snapshotter, and a host that has it behind `[proxy_plugins]`."""

    host: Host

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run both during the block."""
        _, programs = releases.fetched("forky", "soci-snapshotter")
        with short_directory() as directory:
            config, socket = directory / "config.toml", directory / "socket"
            config.touch()
            options = ("-address", socket, "-root", directory / "root", "-config", config, "-log-level", "error")
            snapshotter = Daemon(directory, programs / "soci-snapshotter-grpc", *options)
            self.host = Host(directory / "h", CONFIG.format(socket))
            with snapshotter.running(), self.host.running():
                with self.open(directory) as soci:
                    soci.prepare("first")  # until it has had one, its cleanup fails
                    soci.remove("first")
                yield

    @contextlib.contextmanager
    def open(self, _: Path) -> Iterator[Snapshotter]:
        """A client's snapshotter."""
        with self.host.client() as client:
            yield client.snapshotter("soci")


SOCI = Soci()


@pytest.fixture(scope="module", autouse=True)
def _soci() -> Iterator[None]:
    with SOCI.running():
        yield


class SubjectWithNewRoots(Subject):
    """What the checks look at, without the time of the root directory."""

    def read(self, root: Path, *, times: bool = True) -> Tree:
        tree = super().read(root, times=times)
        return tree | {".": attrs.evolve(tree["."], mtime=0)}


class TestConformance(Conformance):
    """It passes what its design lets it pass."""

    factories = (
        SnapshotterFactory(
            "soci",
            SOCI.open,
            Traits(in_process=False, keyspaces=False, renames_directories=False),
            environment=functools.partial(emptied, SOCI.open),
        ),
    )

    @pytest.fixture
    def subject(self, snapshotter_factory: SnapshotterFactory, tmp_path: Path) -> Iterator[Subject]:
        make = SubjectWithNewRoots(snapshotter_factory, tmp_path, tmp_path)
        with snapshotter_factory.environment(tmp_path), contextlib.closing(make) as subject:
            yield subject

    @pytest.fixture(autouse=True)
    def _only_what_it_can_pass(self, request: pytest.FixtureRequest) -> None:
        for reason, names in NOT_PASSED.items():
            if request.node.name.startswith(names):
                pytest.skip(reason)
