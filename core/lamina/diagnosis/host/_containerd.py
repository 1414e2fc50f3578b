"""Check that the capabilities in containerd's configuration are those of the host's snapshotters."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from lamina.api import names_from_exports
from lamina.client import Client, Plugin
from lamina.diagnosis import AS_ROOT, processes_named
from lamina.diagnosis.host.probe import SECONDS
from lamina.errdefs import Error
from lamina.mount import Mount, overlay_directories
from lamina.plugin import Finding, PluginType

CONFIG: Final = "/etc/containerd/config.toml"
"""Where containerd reads its configuration if it is not told another place."""
_OUTCOMES: Final = {
    "rebase": "containerd 2.2 and later unpacks the layers of an image side by side, and no image can be unpacked",
    "remap-ids": "containerd has no owners mapped for a user namespace, and files there belong to 65534",
}
"""The consequence of each capability that containerd counts on and a snapshotter lacks."""


@attrs.frozen
class _Table:
    """`[proxy_plugins.<name>]` of a containerd."""

    name: str
    file: str
    capabilities: frozenset[str]


def containerd(address: str, plugins: Sequence[Plugin]) -> Iterator[Finding]:
    """Look at the capabilities of the host's snapshotters, and at what containerd's configuration says of them.

    Args:
        address: The host's socket.
        plugins: Those of the host, which answers.
    """
    working = [one for one in plugins if one.type == PluginType.SNAPSHOTTER and one.init_error is None]
    with Client(address, timeout=SECONDS) as client:
        for plugin in working:
            if "rebase" in plugin.capabilities:
                yield _unpacks_side_by_side(client, plugin.id)
    service = next((one for one in plugins if one.uri == f"{PluginType.GRPC}.snapshots"), None)
    names = names_from_exports(service.exports) if service else {}
    by_name = {name: plugin for plugin in working for name in names.get(plugin.id, ())}
    for file in _files():
        try:
            for table in _tables(file, address):
                yield from _compare(table, by_name)
        except (OSError, ValueError) as error:
            yield Finding.unknown("tables", f"{file}: {error}", AS_ROOT)


def _unpacks_side_by_side(client: Client, id_: str) -> Finding:
    """Find out whether a layer without a parent gets mounts on which containerd records deletions."""
    check, key = "rebase", f"lamina-diagnose/1/extract-{os.urandom(8).hex()}"
    snapshotter = client.snapshotter(id_)
    try:
        mounts = snapshotter.prepare(key)
        snapshotter.remove(key)
    except Error as error:
        return Finding.unknown(check, f"{id_}: {error}", "see the message; the host's log may have more")
    if _keeps_deletions(mounts):
        return Finding.ok(check, f"{id_}: a layer that is unpacked without a parent gets an overlay")
    return Finding.problem(
        check,
        f"{id_}: a layer that is unpacked without a parent gets {', '.join(mount.type for mount in mounts)}, onto "
        "which containerd 2.2 and later writes nothing of what the layer deletes: deleted files come back",
        f"take rebase out of capabilities of [proxy_plugins.{id_}] in lamina's configuration, and out of "
        "containerd's; then unpack again what was unpacked meanwhile",
    )


def _keeps_deletions(mounts: Sequence[Mount]) -> bool:
    """As containerd's applier sees it."""
    return len(mounts) == 1 and mounts[0].type == "overlay" and bool(overlay_directories(mounts[0].options).upper)


def _compare(table: _Table, plugins: Mapping[str, Plugin]) -> Iterator[Finding]:
    """Compare the capabilities in containerd's table with those of the snapshotter."""
    check = f"table {table.name}"
    plugin = plugins.get(table.name)
    if plugin is None:
        found = f"{table.file} names it, and the host has no snapshotter of that name that works"
        yield Finding.problem(check, found, "lamina containerd-config prints the tables of those that it has")
        return
    false = [one for one in sorted(table.capabilities) if one in _OUTCOMES and one not in plugin.capabilities]
    for capability in false:
        yield Finding.problem(
            check,
            f"{table.file} says that it has {capability}, which {plugin.id} has not: {_OUTCOMES[capability]}",
            f"put there what lamina containerd-config {table.name} prints, and restart containerd",
        )
    if not false:
        yield Finding.ok(check, f"{table.file} says of {plugin.id} what is true")


def _files() -> Iterator[str]:
    """The configuration files of the containerds that run, and the default one."""
    yield from dict.fromkeys(_existing([CONFIG, *map(_configured, processes_named("containerd"))]))


def _existing(files: Sequence[str]) -> Iterator[str]:
    """Files, each followed by those that it imports."""
    for file in files:
        if not os.path.lexists(file):
            continue
        yield file
        try:
            imports = _read(file).get("imports", [])
        except (OSError, ValueError):  # told when its tables are read
            continue
        for pattern in imports:
            yield from sorted(glob.glob(os.path.join(os.path.dirname(file), pattern)))


def _configured(pid: int) -> str:
    """The configuration file that a containerd was started with, as this process sees it."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as words:
            arguments = words.read().split("\0")
    except OSError:  # it has just ended
        return CONFIG
    named = CONFIG
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, _, value = word.partition("=")
        if option in {"-c", "--config", "-config"}:
            named = value or following
    there = f"/proc/{pid}/root"
    return named if os.path.lexists(named) else f"{there}{named}"


def _tables(file: str, address: str) -> Iterator[_Table]:
    """The tables of a configuration that lead to a host.

    Raises:
        OSError, ValueError: It cannot be read.
    """
    for name, table in _read(file).get("proxy_plugins", {}).items():
        if isinstance(table, dict) and _is_same(str(table.get("address", "")), address):
            yield _Table(name, file, frozenset(map(str, table.get("capabilities", ()))))


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one.removeprefix("unix://")) == os.path.realpath(other)


def _read(file: str) -> dict[str, Any]:
    with open(file, "rb") as text:
        return tomllib.load(text)
