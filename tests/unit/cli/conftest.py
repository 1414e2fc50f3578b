"""A workshop for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving import short_directory
from workshops import Workshop


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with short_directory() as directory:
        workshop = Workshop(directory)
        yield workshop
        for serving in workshop.started:
            serving.close()
