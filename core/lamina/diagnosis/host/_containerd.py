"""Check the capabilities in containerd's configuration against those of the host's snapshotters."""

from __future__ import annotations

import glob
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from lamina.api import names_from_exports
from lamina.client import Client, RemotePlugin
from lamina.diagnosis import AS_ROOT, processes_named
from lamina.diagnosis.host.probe import SECONDS
from lamina.errdefs import Error
from lamina.mount import Mount, overlay_directories
from lamina.plugin import Finding, PluginType

CONFIG: Final = "/etc/containerd/config.toml"
"""The default path of containerd's configuration."""
_OUTCOMES: Final = {
    "rebase": "containerd 2.2 and later unpacks an image's layers in parallel and cannot unpack any image",
    "remap-ids": "containerd does not map owners in user namespaces, and files there belong to 65534",
}
"""The consequence of each capability that containerd expects and a snapshotter lacks."""


@attrs.frozen
class _Table:
    """`[proxy_plugins.<name>]` in a containerd configuration."""

    name: str
    file: str
    capabilities: frozenset[str]


def containerd(address: str, plugins: Sequence[RemotePlugin]) -> Iterator[Finding]:
    """Check the capabilities of the host's snapshotters, in the host and in containerd's configuration."""
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
    """Check that a layer without a parent gets mounts on which containerd records deletions."""
    check, key = "rebase", f"lamina-diagnose/1/extract-{os.urandom(8).hex()}"
    snapshotter = client.snapshotter(id_)
    try:
        mounts = snapshotter.prepare(key)
        snapshotter.remove(key)
    except Error as error:
        return Finding.unknown(check, f"{id_}: {error}", "see the message; the host's log may have more")
    if _keeps_deletions(mounts):
        return Finding.ok(check, f"{id_}: a layer unpacked without a parent gets an overlay")
    return Finding.problem(
        check,
        f"{id_}: a layer unpacked without a parent gets {', '.join(mount.type for mount in mounts)}, on which "
        "containerd 2.2 and later does not record the layer's deletions: deleted files reappear",
        f"remove rebase from the capabilities of [proxy_plugins.{id_}] in lamina's and containerd's "
        "configurations; then unpack the images again that were unpacked meanwhile",
    )


def _keeps_deletions(mounts: Sequence[Mount]) -> bool:
    """Return whether containerd's applier records deletions on these mounts."""
    return len(mounts) == 1 and mounts[0].type == "overlay" and bool(overlay_directories(mounts[0].options).upper)


def _compare(table: _Table, plugins: Mapping[str, RemotePlugin]) -> Iterator[Finding]:
    """Compare the capabilities in containerd's table with those of the snapshotter."""
    check = f"table {table.name}"
    plugin = plugins.get(table.name)
    if plugin is None:
        found = f"{table.file} names it, but the host has no working snapshotter of that name"
        yield Finding.problem(
            check, found, ("lamina containerd-config prints the tables of the snapshotters it has")
        )
        return
    false = [one for one in sorted(table.capabilities) if one in _OUTCOMES and one not in plugin.capabilities]
    for capability in false:
        yield Finding.problem(
            check,
            f"{table.file} gives it {capability}, which {plugin.id} lacks: {_OUTCOMES[capability]}",
            f"replace the table with the output of lamina containerd-config {table.name}, and restart containerd",
        )
    if not false:
        yield Finding.ok(check, f"{table.file} has the right capabilities for {plugin.id}")


def _files() -> Iterator[str]:
    """Yield the configuration files of the running containerds, and the default one."""
    yield from dict.fromkeys(_existing([CONFIG, *map(_configured, processes_named("containerd"))]))


def _existing(files: Sequence[str]) -> Iterator[str]:
    """Yield the existing files, each followed by its imports."""
    for file in files:
        if not os.path.lexists(file):
            continue
        yield file
        try:
            imports = _read(file).get("imports", [])
        except (OSError, ValueError):  # reported when its tables are read
            continue
        for pattern in imports:
            yield from sorted(glob.glob(os.path.join(os.path.dirname(file), pattern)))


def _configured(pid: int) -> str:
    """Return the configuration file that a containerd was started with, as visible to this process."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as words:
            arguments = words.read().split("\0")
    except OSError:  # it has just exited
        return CONFIG
    named = CONFIG
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, _, value = word.partition("=")
        if option in {"-c", "--config", "-config"}:
            named = value or following
    there = f"/proc/{pid}/root"
    return named if os.path.lexists(named) else f"{there}{named}"


def _tables(file: str, address: str) -> Iterator[_Table]:
    """Yield the proxy plugin tables with the address of a host.

    Raises:
        OSError, ValueError: The file cannot be read.
    """
    for name, table in _read(file).get("proxy_plugins", {}).items():
        if isinstance(table, dict) and _is_same(str(table.get("address", "")), address):
            yield _Table(name, file, frozenset(map(str, table.get("capabilities", ()))))


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one.removeprefix("unix://")) == os.path.realpath(other)


def _read(file: str) -> dict[str, Any]:
    with open(file, "rb") as text:
        return tomllib.load(text)
