"""Plugins' tables are decoded for the plugins that are installed."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from lamina.config import load
from lamina.errdefs import ConfigError

OVERLAY = "io.containerd.snapshotter.v1.overlayfs"
NATIVE = "io.containerd.snapshotter.v1.native"
VERSION = "io.containerd.grpc.v1.version"


@attrs.frozen
class Overlay:
    root_path: str = ""
    sync_remove: bool = False


@attrs.frozen
class Native:
    root_path: str = ""


@attrs.frozen
class Needy:
    endpoint: str


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_a_plugin_without_a_table_gets_its_defaults(tmp_path: Path) -> None:
    config = load(write(tmp_path, f'version = 4\n[plugins."{OVERLAY}"]\nsync_remove = true\n'))
    assert config.decode_plugins({OVERLAY: Overlay, NATIVE: Native, VERSION: None}) == (
        {OVERLAY: Overlay(sync_remove=True), NATIVE: Native()},
        [],
    )


def test_problems_of_all_plugins_come_together_with_file_and_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f'version = 4\n[plugins."{OVERLAY}"]\nsync_remve = true\n\n[plugins."{NATIVE}"]\nroot_path = 1\n',
    )
    with pytest.raises(ConfigError) as caught:
        load(path).decode_plugins({NATIVE: Native, OVERLAY: Overlay})
    assert str(caught.value).split("\n") == [
        f'{path}:3: plugins."{OVERLAY}".sync_remve: unknown key (did you mean "sync_remove"?)',
        f'{path}:6: plugins."{NATIVE}".root_path: expected a string, found the number 1',
    ]


def test_a_table_of_no_installed_plugin_is_a_warning_with_the_nearest_one(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 4\n[plugins."io.containerd.snapshotter.v1.overlay"]\nx = 1\n')
    values, warnings = load(path).decode_plugins({OVERLAY: Overlay, NATIVE: Native})
    assert values == {OVERLAY: Overlay(), NATIVE: Native()}
    unused = 'plugins."io.containerd.snapshotter.v1.overlay": not used: no such plugin is installed'
    assert warnings == [f'{path}:2: {unused} (did you mean "{OVERLAY}"?)']


def test_a_table_that_is_named_after_an_id_is_a_warning_with_the_uri(tmp_path: Path) -> None:
    path = write(tmp_path, "version = 4\n[plugins.overlayfs]\n[plugins.natif]\n")
    _, warnings = load(path).decode_plugins({OVERLAY: Overlay, NATIVE: Native})
    unused = "not used: no such plugin is installed (did you mean"
    assert warnings == [
        f'{path}:2: plugins.overlayfs: {unused} "{OVERLAY}"?)',
        f'{path}:3: plugins.natif: {unused} "{NATIVE}"?)',
    ]


def test_an_id_in_a_list_of_plugins_is_reported_with_its_uri(tmp_path: Path) -> None:
    lists = f'disabled_plugins = ["{OVERLAY}", "overlayfs", "zfs"]\nrequired_plugins = ["natif"]\n'
    path = write(tmp_path, f"version = 4\n{lists}")
    with pytest.raises(ConfigError) as caught:
        load(path).decode_plugins({OVERLAY: Overlay, NATIVE: Native})
    assert str(caught.value).split("\n") == [
        f'{path}:2: disabled_plugins[1]: "overlayfs" is not a plugin URI (did you mean "{OVERLAY}"?)',
        f'{path}:2: disabled_plugins[2]: "zfs" is not a plugin URI: expected one like "io.containerd.x.v1.zfs"',
        f'{path}:3: required_plugins[0]: "natif" is not a plugin URI (did you mean "{NATIVE}"?)',
    ]


def test_a_table_of_a_plugin_that_takes_no_configuration_is_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path, f'version = 4\n[plugins."{VERSION}"]\n')
    assert load(path).decode_plugins({VERSION: None}) == (
        {},
        [f'{path}:2: plugins."{VERSION}": not used: this plugin takes no configuration'],
    )


def test_a_disabled_plugins_table_is_neither_checked_nor_warned_of(tmp_path: Path) -> None:
    disabled = f'disabled_plugins = ["{OVERLAY}", "io.gone.v1.x"]\n'
    tables = f'[plugins."{OVERLAY}"]\nnonsense = 1\n[plugins."io.gone.v1.x"]\n'
    config = load(write(tmp_path, f"version = 4\n{disabled}{tables}"))
    assert config.decode_plugins({OVERLAY: Overlay, NATIVE: Native}) == ({NATIVE: Native()}, [])


def test_a_missing_key_is_reported_at_the_line_of_its_table(tmp_path: Path) -> None:
    path = write(tmp_path, f'version = 4\n[plugins."{NATIVE}"]\n\n[plugins."{OVERLAY}"]\n')
    with pytest.raises(
        ConfigError, match=f'^{path}:4: plugins."{OVERLAY}".endpoint: expected a string, found nothing$'
    ):
        load(path).decode_plugins({OVERLAY: Needy, NATIVE: Native})


def test_a_missing_key_of_a_missing_table_has_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, f'version = 4\n[plugins."{NATIVE}"]\n')
    with pytest.raises(
        ConfigError, match=f'^{path}: plugins."{OVERLAY}".endpoint: expected a string, found nothing$'
    ):
        load(path).decode_plugins({OVERLAY: Needy, NATIVE: Native})
