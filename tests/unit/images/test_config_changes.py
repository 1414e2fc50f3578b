"""Changes to the configuration of an image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.images import ConfigChanges
from lamina.images.building._settings import changed_settings
from lamina.images.documents import Fields

SETTINGS = {
    "Entrypoint": ["sh"],
    "Cmd": ["-c", "true"],
    "Env": ["PATH=/bin", "A=1", "PATH=/usr/bin"],
    "ExposedPorts": {"80/tcp": {}},
    "Healthcheck": {"Test": ["NONE"]},
    "Labels": {"a": "1", "c": "3"},
    "User": "nobody",
    "Volumes": {"/data": {}},
}


def changed(changes: ConfigChanges, settings: dict[str, object] = SETTINGS) -> dict[str, object]:
    return changed_settings(Fields(settings, "settings"), changes)


def test_no_changes_change_nothing() -> None:
    assert not ConfigChanges()
    assert changed(ConfigChanges()) == SETTINGS


def test_each_change_changes_its_member_and_keeps_the_others() -> None:
    for changes, member, value in (
        (ConfigChanges(cmd=("a", "b")), "Cmd", ["a", "b"]),
        (ConfigChanges(env={"B": "2", "A": "3"}), "Env", ["PATH=/usr/bin", "A=3", "B=2"]),
        (ConfigChanges(unset_env=("A", "Z")), "Env", ["PATH=/usr/bin"]),
        (ConfigChanges(user="1:1"), "User", "1:1"),
        (ConfigChanges(working_dir="/srv"), "WorkingDir", "/srv"),
        (ConfigChanges(stop_signal="SIGRTMIN+3"), "StopSignal", "SIGRTMIN+3"),
        (ConfigChanges(labels={"b": "2", "a": ""}), "Labels", {"a": "", "b": "2", "c": "3"}),
        (ConfigChanges(unset_labels=("a",)), "Labels", {"c": "3"}),
        (
            ConfigChanges(exposed_ports=("53/udp", "8080")),
            "ExposedPorts",
            {"53/udp": {}, "80/tcp": {}, "8080/tcp": {}},
        ),
        (ConfigChanges(volumes=("/a",), unset_volumes=("/data",)), "Volumes", {"/a": {}}),
    ):
        assert changed(changes) == {**SETTINGS, member: value}


def test_what_is_emptied_is_removed() -> None:
    empty = ConfigChanges(entrypoint=(), user="", unset_labels=("a", "c"), unset_exposed_ports=("80",))
    assert sorted(changed(empty)) == ["Env", "Healthcheck", "Volumes"]


def test_another_entrypoint_takes_the_arguments_of_the_present_one_away() -> None:
    assert "Cmd" not in changed(ConfigChanges(entrypoint=("ls",)))
    assert changed(ConfigChanges(entrypoint=("ls",), cmd=("-l",)))["Cmd"] == ["-l"]


def test_maps_are_written_in_order() -> None:
    """However they come: the same changes give the same document."""
    labels = {"z": "1", "b": "2"}
    assert list(changed(ConfigChanges(labels=labels))["Labels"]) == ["a", "b", "c", "z"]


def test_members_that_programs_read_in_different_ways_are_refused() -> None:
    """Go's decoder ignores the case of keys."""
    with pytest.raises(InvalidArgument, match="entrypoint"):
        changed(ConfigChanges(entrypoint=("sh",)), {"entrypoint": ["other"]})


def test_malformed_settings_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Env: expected an array"):
        changed(ConfigChanges(env={"A": "1"}), {"Env": "A=1"})


@pytest.mark.parametrize(
    "values",
    [
        {"env": {"A=B": "1"}},
        {"env": {"": "1"}},
        {"env": {"A\0": "1"}},
        {"labels": {"": "1"}},
        {"exposed_ports": ("http",)},
        {"exposed_ports": ("80/icmp",)},
        {"volumes": ("data",)},
        {"working_dir": "srv"},
        {"stop_signal": "term"},
        {"entrypoint": ("sh", "\0")},
        {"cmd": ("a\0b",)},
        {"env": {"A": "\0"}},
        {"user": "a\0"},
    ],
    ids=lambda values: repr(values).replace("\\x00", "NUL"),
)
def test_malformed_changes_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        ConfigChanges(**values)


names = st.text("AB", min_size=1, max_size=2)


@given(st.dictionaries(names, names), st.dictionaries(names, names), st.lists(names))
def test_an_environment_has_what_was_set_and_not_what_was_unset(
    present: dict[str, str], new: dict[str, str], gone: list[str]
) -> None:
    settings: dict[str, object] = {"Env": [f"{name}={value}" for name, value in present.items()]}
    environment = changed(ConfigChanges(env=new, unset_env=tuple(gone)), settings).get("Env", [])
    found = dict(entry.split("=") for entry in environment)
    assert found == {name: value for name, value in present.items() if name not in gone} | new
