"""The conformance suite on the local content store."""

from __future__ import annotations

import pytest

from lamina.content import ContentStore
from lamina.content.local import LocalContentStore
from lamina.testing import ContentConformance


class TestLocalContentStore(ContentConformance):
    @pytest.fixture
    def content(self, store: LocalContentStore) -> ContentStore:
        return store
