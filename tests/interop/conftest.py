"""The image that containers run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from images import make_image


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive with the image `images.IMAGE`."""
    return make_image(tmp_path_factory.mktemp("image"))
