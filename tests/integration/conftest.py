"""Stop the backends that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.snapshotters import backends


@pytest.fixture(autouse=True, scope="module")
def _shared_backends_stop() -> Iterator[None]:
    yield
    for shared in backends.SHARED:
        shared.stop()
