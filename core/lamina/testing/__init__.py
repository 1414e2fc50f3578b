"""The conformance suite: checks that any snapshotter can be put through.

It mounts what the snapshotter returns, really, and compares what is in the trees down to extended attributes and
nanoseconds; so it needs root. A test module says how to open the snapshotter, and that is all::

    # tests/test_conformance.py
    from contextlib import contextmanager

    from lamina.snapshots.storage import MetaStore
    from lamina.testing import Conformance, SnapshotterFactory, Traits

    @contextmanager
    def open_mine(directory):                    # empty, and the check's own
        store = MetaStore.open(f"{directory}/metastore")
        snapshotter = MySnapshotter(f"{directory}/data", store)
        try:
            yield snapshotter
        finally:
            snapshotter.close()
            store.close()

    class TestMine(Conformance):
        factories = (SnapshotterFactory("mine", open_mine, Traits(rebase=True)),)

and the plugin runs the checks, each on a snapshotter of its own::

    pytest -p lamina.testing.plugin tests/test_conformance.py
    pytest -p lamina.testing.plugin --snapshotter mine -k 'label or filter'

`-p` can stand in `addopts`, or the topmost `conftest.py` says `pytest_plugins = ["lamina.testing.plugin"]`. In the
end pytest tells how many checks each snapshotter went through, and how many it was spared because of its traits.

A snapshotter that does not work in the test's process is tested through `lamina.client.Client`, which makes
one of any host's socket; its `Traits` then say `in_process=False`.
"""

import pytest

# Before the modules with the checks are imported: so a failed one tells the values that it compared.
pytest.register_assert_rewrite("lamina.testing._checks")

from lamina.testing._checks import Conformance  # noqa: E402 - see above
from lamina.testing._checks.subject import Subject, mounted  # noqa: E402 - see above
from lamina.testing._factory import SnapshotterFactory, Traits  # noqa: E402 - see above
from lamina.testing._tree import Entry, Tree, differences, read_tree  # noqa: E402 - see above

__all__ = [
    "Conformance",
    "Entry",
    "SnapshotterFactory",
    "Subject",
    "Traits",
    "Tree",
    "differences",
    "mounted",
    "read_tree",
]
