"""The printed defaults read back as the same values, each with a comment above."""

from __future__ import annotations

import enum
import sys
from pathlib import Path

import attrs
import tomli
from hypothesis import given
from hypothesis import strategies as st

from lamina.config import Debug, Duration, HostConfig, load
from lamina.config.describing import render_default


class Mode(enum.StrEnum):
    FAST = "fast"
    SAFE = "safe"


@attrs.frozen
class Limits:
    files: int = 100
    """How many files. More than that, none."""


@attrs.frozen
class Base:
    root_path: str = ""
    """Directory of the data; the plugin's
    own where it is empty. A second sentence."""


@attrs.frozen
class Overlay(Base):
    """What the overlay plugin takes. And more."""

    mode: Mode = Mode.SAFE
    """A sentence without an end"""
    wait: Duration = attrs.field(default=Duration(1.5))
    place: Path = Path("/x")
    optional: int | None = None
    options: tuple[str, ...] = ("index=off", "a # b\n")
    """One line of options, version 1.5 or newer."""
    names: frozenset[str] = frozenset({"b", "a"})
    limits: Limits = attrs.field(factory=Limits)
    """Where it ends."""
    several: list[Limits] = attrs.field(factory=lambda: [Limits(1), Limits(2)])
    table: dict[str, int] = attrs.field(factory=lambda: {"a b": 1})


@attrs.frozen
class Needy:
    endpoint: str


@attrs.frozen
class Broken:
    size: int = attrs.field(factory=sys.exit)


@attrs.frozen
class Unwritable:
    thing: object = attrs.field(factory=object)


OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


def read_back(tmp_path: Path, text: str) -> HostConfig:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load(path).host


def test_the_printed_defaults_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(render_default({OVERLAY: Overlay, "io.x.v1.none": None}, HostConfig()))
    config = load(path)
    assert attrs.evolve(config.host, plugins={}) == HostConfig()
    assert config.decode_plugins({OVERLAY: Overlay}) == ({OVERLAY: Overlay()}, [])


paths = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).map(lambda name: f"/{name}")
uris = st.lists(st.text(st.characters(codec="utf-8")).map(lambda name: f"io.{name}"), unique=True)
hosts = st.builds(
    HostConfig,
    root=paths.map(lambda path: f"/root{path}/r"),
    state=st.just("/state"),
    temp=paths,
    disabled_plugins=uris,
    required_plugins=uris,
    disabled_distributions=st.lists(st.text(st.characters(codec="utf-8")), unique=True),
    timeouts=st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.integers(0, 10**15).map(lambda ns: Duration(ns / 10**9))
    ),
    debug=st.builds(Debug, level=st.sampled_from(["trace", "panic"]), format=st.sampled_from(["text", "json"])),
)


@given(hosts)
def test_any_top_level_reads_back(tmp_path: Path, host: HostConfig) -> None:
    assert read_back(tmp_path, render_default({}, host)) == host


def test_first_sentences_of_docstrings_are_comments_of_keys_and_tables() -> None:
    text = render_default({OVERLAY: Overlay}, HostConfig(root="/r", state="/s"))
    assert text.startswith("# Version of the file's format.\nversion = 4\n")
    assert '\n# Directory of the data; the plugin\'s own where it is empty.\nroot_path = ""\n' in text
    assert f'\n# What the overlay plugin takes.\n[plugins."{OVERLAY}"]\n' in text
    assert '\n# A sentence without an end\nmode = "safe"\nwait = "1.5s"\nplace = "/x"\n' in text
    assert "\n# One line of options, version 1.5 or newer.\noptions = [\n" in text
    assert f'\n# Where it ends.\n[plugins."{OVERLAY}".limits]\n# How many files.\nfiles = 100\n' in text
    assert "optional" not in text


def test_every_key_of_the_top_level_has_a_comment() -> None:
    lines = render_default({}, HostConfig(root="/r", state="/s")).split("\n")
    keys = [index for index, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    assert len(keys) == 10
    assert all(lines[index - 1].startswith("# ") for index in keys)


def test_a_class_with_a_required_key_gets_an_empty_table() -> None:
    assert render_default({"io.x.v1.needy": Needy}, HostConfig()).endswith('\n[plugins."io.x.v1.needy"]\n')


def test_a_class_whose_defaults_cannot_be_made_or_written_gets_an_empty_table() -> None:
    for schema in (Broken, Unwritable):
        text = render_default({"io.x.v1.odd": schema}, HostConfig())
        assert '\n[plugins."io.x.v1.odd"]\n' in text
        assert tomli.loads(text)["plugins"] == {"io.x.v1.odd": {}}


def test_a_class_without_source_gets_no_comments(tmp_path: Path) -> None:
    made = attrs.make_class("Made", {"size": attrs.field(default=1, type=int)})
    assert "\nsize = 1\n" in render_default({"io.x.v1.made": made}, HostConfig())
