"""Distributions are found as by `importlib.metadata`."""

from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path

import pytest

from lamina.errdefs import NotFound
from lamina.plugin import distribution
from lamina.plugin.discovery._distributions import _Metadata, distributions

METADATA = "Metadata-Version: 2.1\nName: Some.Thing\nVersion: 3\n\nName: another\n"


def test_names_versions_and_files_are_those_of_importlib_metadata() -> None:
    found = list(distributions())
    assert all(isinstance(one, _Metadata) for one in found)
    assert sorted((one.name, one.version, one.read_text("entry_points.txt") or "") for one in found) == sorted(
        (one.name, one.version, one.read_text("entry_points.txt") or "")
        for one in importlib.metadata.distributions()
    )


@pytest.mark.parametrize(
    ("directory", "file"), [("Some_Thing-3.dist-info", "METADATA"), ("some.thing.egg-info", "PKG-INFO")]
)
@pytest.mark.parametrize("name", ["some-thing", "Some.Thing", "some__thing"])
def test_a_distribution_is_found_by_any_spelling_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str, file: str, name: str
) -> None:
    (tmp_path / directory).mkdir()
    (tmp_path / directory / file).write_text(METADATA)
    monkeypatch.syspath_prepend(tmp_path)
    found = distribution(name)
    assert (found.name, found.version, found.read_text("entry_points.txt")) == ("Some.Thing", "3", None)
    assert str(found.locate_file("x.py")) == str(tmp_path / "x.py")


def test_a_distribution_in_an_archive_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("some_thing-3.dist-info/METADATA", METADATA)
    monkeypatch.syspath_prepend(tmp_path / "archive.zip")
    assert distribution("some-thing").version == "3"


def test_a_distribution_that_is_not_installed_is_not_found() -> None:
    with pytest.raises(NotFound, match="distribution no-such-thing is not installed"):
        distribution("no-such-thing")


def test_a_distribution_without_a_name_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nameless-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotFound, match=r"nameless-1\.dist-info has no Name"):
        _ = distribution("nameless").name
