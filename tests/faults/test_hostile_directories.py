"""Another user owns, plants or replaces files of a host that runs as root, and gains nothing.

The host either refuses with the reason and a remedy, or works without following anything planted.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import Error, PermissionDenied
from lamina.host import Host
from lamina.mount import Mount, mount_all, temporary_mount, unmount
from tests.support.hostile.planted import (
    METASTORE,
    NATIVE,
    NOBODY,
    Victim,
    his,
    host_on,
    looping_as_nobody,
    plant,
    refusal,
    run_as_nobody,
    use,
)
from tests.support.rounds import rounds

pytestmark = [pytest.mark.requires("root"), pytest.mark.timeout(300)]  # no host waits for what is planted


# Whole directories.


@pytest.mark.parametrize("which", ["root", "state", "temp"])
def test_a_directory_of_another_user_is_refused(place: Path, victim: Victim, which: str) -> None:
    his(place / which)
    (place / which / "trash").symlink_to(victim.directory)
    if which == "temp":
        # Only a host with its own process uses `temp`.
        host = Host(host_on(place, temp=f"{place}/temp")._config)
        message = refusal(host)
    else:
        message = refusal(host_on(place))
    assert f"use the {which} directory: {place}/{which} belongs to user {NOBODY}" in message
    assert f"chown root: {place}/{which}" in message
    assert os.listdir(place / which) == ["trash"]


@pytest.mark.parametrize("which", ["root", "state"])
def test_a_link_of_another_user_in_a_shared_directory_is_not_followed(
    place: Path, victim: Victim, which: str
) -> None:
    (place / "shared").mkdir()
    (place / "shared").chmod(0o1777)
    run_as_nobody('ln -s "$2" "$1"', place / "shared" / which, victim.directory)
    message = refusal(host_on(place, **{which: f"{place}/shared/{which}"}))
    assert f"{place}/shared/{which} belongs to user {NOBODY}" in message


def test_a_parent_directory_of_another_user_is_refused(place: Path, victim: Victim) -> None:
    his(place / "home")
    (place / "home/root").mkdir(0o700)
    assert f"{place}/home belongs to user {NOBODY}" in refusal(host_on(place, root=f"{place}/home/root"))


@pytest.mark.parametrize(("mode", "by"), [(0o777, "every user"), (0o775, f"group {NOBODY}")])
def test_a_parent_directory_in_which_another_user_can_rename_is_refused(
    place: Path, victim: Victim, mode: int, by: str
) -> None:
    (place / "data/root").mkdir(parents=True)
    os.chown(place / "data", 0, NOBODY)
    (place / "data").chmod(mode)
    message = refusal(host_on(place, root=f"{place}/data/root"))
    assert f"{place}/data (mode {mode:04o}) can be written to by {by}" in message


def test_a_parent_directory_writable_by_access_control_list_is_refused(place: Path, victim: Victim) -> None:
    """Its mode shows the mask of the list as the permissions of root's group."""
    (place / "data").mkdir()
    undefined = 0xFFFFFFFF
    entries = ((1, 7, undefined), (2, 7, NOBODY), (4, 5, undefined), (0x10, 7, undefined), (0x20, 5, undefined))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(place / "data", "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")
    run_as_nobody('touch "$1"', place / "data/he-can-write")
    assert "users that its access control list names" in refusal(host_on(place, root=f"{place}/data/root"))


def test_a_world_writable_root_with_content_is_refused(place: Path, victim: Victim) -> None:
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    run_as_nobody('ln -s "$2" "$1"', place / "root/io.lamina.metastore.v1.lmdb", victim.directory)
    assert f"{place}/root (mode 0777) can be written to by every user" in refusal(host_on(place))


def test_an_empty_world_writable_root_gets_a_private_mode(place: Path, victim: Victim) -> None:
    """Such as an emptyDir volume of Kubernetes."""
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    use(host_on(place))
    assert stat.S_IMODE((place / "root").stat().st_mode) == 0o700


def test_a_state_directory_on_a_file_system_of_another_user_is_refused(place: Path, victim: Victim) -> None:
    (place / "state").mkdir()
    mount_all([Mount("tmpfs", "tmpfs", (f"uid={NOBODY}", "mode=0700"))], place / "state")
    try:
        assert f"{place}/state belongs to user {NOBODY}" in refusal(host_on(place))
    finally:
        unmount(place / "state")


@pytest.mark.parametrize("name", ["snapshots", "records", "trash", "quarantine"])
@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his directory"])
def test_a_data_root_with_a_foreign_subdirectory_is_refused(
    place: Path, victim: Victim, name: str, kind: str
) -> None:
    data = place / "root" / NATIVE
    data.mkdir(parents=True)
    if kind == "his directory":
        his(data / name)
    else:
        plant(data / name, kind, victim)
    message = refusal(host_on(place))
    assert f"{data}/{name} " in message
    assert "is not a directory" in message or f"belongs to user {NOBODY}" in message
    assert not (data / "uuid").exists()


@pytest.mark.parametrize("name", [NATIVE, METASTORE])
def test_a_plugin_directory_that_is_a_planted_link_is_refused(place: Path, victim: Victim, name: str) -> None:
    (place / "root").mkdir()
    (place / "root" / name).symlink_to(victim.directory)
    os.chown(place / "root" / name, NOBODY, NOBODY, follow_symlinks=False)
    assert f"{place}/root/{name} belongs to user {NOBODY}" in refusal(host_on(place))


# The configuration.


@pytest.mark.parametrize("change", ["owner", "mode"])
def test_a_configuration_that_another_user_can_change_is_refused(place: Path, victim: Victim, change: str) -> None:
    file = place / "config.toml"
    file.write_text(f'version = 4\nroot = "{place}/root"\nstate = "{place}/state"\n')
    if change == "owner":
        os.chown(file, NOBODY, NOBODY)
    else:
        file.chmod(0o666)
    message = refusal(Host.from_config(file))
    assert f"configuration: {file}" in message
    assert "could change what this host does" in message
    assert not (place / "root").exists()


def test_a_drop_in_that_another_user_can_change_is_refused(place: Path, victim: Victim) -> None:
    file, imported = place / "config.toml", place / "more.toml"
    file.write_text(f'version = 4\nroot = "{place}/root"\nstate = "{place}/state"\nimports = ["more.toml"]\n')
    imported.write_text("version = 4\n")
    os.chown(imported, NOBODY, NOBODY)
    assert f"configuration: {imported} belongs to user {NOBODY}" in refusal(Host.from_config(file))


# Mount points.


def test_nothing_is_mounted_in_a_runtime_directory_of_another_user(
    place: Path, victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo(8) may keep XDG_RUNTIME_DIR."""
    his(place / "run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / "run"))
    with temporary_mount([]) as mounted:
        assert not mounted.startswith(f"{place}/run")


def test_nothing_is_mounted_in_a_directory_of_another_user(place: Path, victim: Victim) -> None:
    his(place / "run")
    with (
        pytest.raises(PermissionDenied, match=f"{place}/run belongs to user {NOBODY}"),
        temporary_mount([], directory=place / "run"),
    ):
        pass


# Races.


@pytest.mark.timeout(600)
def test_directories_replaced_during_the_start_of_a_host_do_not_redirect_it(
    place: Path, victim: Victim, tell: Callable[[str], None]
) -> None:
    """In the attacker's directory, `d` alternates between a directory of root and a link to the victim."""
    his(place / "home")
    (place / "home/d").mkdir()
    (place / "home/d/root").mkdir(0o700)
    run_as_nobody('ln -s "$2" "$1"', place / "home/link", victim.directory)
    exchange = 'cd "$1"; mv -T d e; mv -T link d; mv -T d link; mv -T e d'
    count = rounds(20, 2_000)
    with looping_as_nobody(exchange, place / "home"):
        for _ in range(count):
            refusal(host_on(place, root=f"{place}/home/d/root"))
    tell(f"{count} starts beside exchanges of a directory, all refused")


@pytest.mark.timeout(600)
def test_links_created_and_removed_during_the_start_of_a_host_do_not_redirect_it(
    place: Path, shared: Path, victim: Victim, tell: Callable[[str], None]
) -> None:
    """In a directory like /tmp, the attacker creates and removes a link in place of root's directory."""
    count, refused = rounds(20, 2_000), 0
    with looping_as_nobody('ln -s "$2" "$1"; rm -f "$1"', shared / "root", victim.directory):
        for _ in range(count):
            try:
                use(host_on(place, root=f"{shared}/root"))
            except Error:
                refused += 1
            else:
                shutil.rmtree(shared / "root")
    tell(f"{count} starts beside links that come and go, {refused} refused, the others on root's own directory")
