"""Tests of plugins: hosts for any plugin, and conformance suites for snapshotters and content stores.

The pytest plugin `lamina.testing.plugin` has the fixture `lamina_host`, which starts hosts (`HostFactory`).

The conformance suite mounts what a snapshotter returns and compares the trees down to extended attributes and
nanoseconds, so it needs root. A test module only says how to open the snapshotter::

    # tests/test_conformance.py
    from contextlib import contextmanager

    from lamina.snapshots.storage import MetaStore
    from lamina.testing import Conformance, SnapshotterFactory, Traits

    @contextmanager
    def open_mine(directory):                    # empty, for one check
        store = MetaStore.open(f"{directory}/metastore")
        snapshotter = MySnapshotter(f"{directory}/data", store)
        try:
            yield snapshotter
        finally:
            snapshotter.close()
            store.close()

    class TestMine(Conformance):
        factories = (SnapshotterFactory("mine", open_mine, Traits(rebase=True)),)

The pytest plugin runs each check on a new snapshotter::

    pytest -p lamina.testing.plugin tests/test_conformance.py
    pytest -p lamina.testing.plugin --snapshotter mine -k 'label or filter'

Put `-p` into `addopts`, or `pytest_plugins = ["lamina.testing.plugin"]` into the topmost `conftest.py`. The last
lines of the run show how many checks each snapshotter went through, and how many its traits skipped.

Content stores have a suite of their own, which needs neither root nor the pytest plugin::

    class TestMyContent(ContentConformance):
        @pytest.fixture
        def content(self, tmp_path):
            store = MyContentStore(tmp_path / "content")
            yield store
            store.close()

Test a snapshotter of another process through `lamina.client.Client`, with `Traits(in_process=False)`.
"""

import pytest

# Before the checks are imported, so that failed assertions show the compared values.
pytest.register_assert_rewrite("lamina.testing._checks")

from lamina.testing._checks import Conformance  # noqa: E402 - see above
from lamina.testing._checks.content_store import ContentConformance  # noqa: E402 - see above
from lamina.testing._checks.subject import Subject, mounted  # noqa: E402 - see above
from lamina.testing._factory import SnapshotterFactory, Traits  # noqa: E402 - see above
from lamina.testing._host import HostFactory  # noqa: E402 - see above
from lamina.testing._tree import Entry, Tree, differences, read_tree  # noqa: E402 - see above

__all__ = [
    "Conformance",
    "ContentConformance",
    "Entry",
    "HostFactory",
    "SnapshotterFactory",
    "Subject",
    "Traits",
    "Tree",
    "differences",
    "mounted",
    "read_tree",
]
