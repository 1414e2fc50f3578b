from pathlib import Path

import pytest

from lamina.errdefs import NotFound
from lamina.fs import supports_d_type


def test_common_file_systems_have_d_type_and_the_probe_is_removed(tmp_path: Path) -> None:
    assert supports_d_type(str(tmp_path))
    assert supports_d_type(f"{tmp_path}/")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        supports_d_type(str(tmp_path / "missing"))
