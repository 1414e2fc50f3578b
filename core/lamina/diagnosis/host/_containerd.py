"""Check the capabilities in containerd's configuration against those of the host's snapshotters."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lamina.api import names_from_exports
from lamina.client import Client, RemotePlugin
from lamina.diagnosis.host._containerd_files import Table, containerd_files
from lamina.diagnosis.host.probe import SECONDS
from lamina.errdefs import Error
from lamina.mount import Mount, overlay_directories
from lamina.plugin import Finding, PluginType

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)\.(\d+)", re.ASCII)
_READS_CAPABILITIES: Final = (1, 7, 23)
"""The first release that reads the capabilities of a proxy plugin."""
_MAPS_IDS: Final = (2, 0, 0)
"""The first release that can make id-mapped mounts."""
_MIGRATES_EACH_FILE: Final = (2, 3, 0)
"""The first release in which a file may import one of another version."""
_OUTCOMES: Final = {
    "rebase": "containerd 2.2 and later unpacks an image's layers in parallel and cannot unpack any image",
    "remap-ids": "containerd does not map owners in user namespaces, and files there belong to 65534",
}
"""The consequence of each capability that containerd expects and a snapshotter lacks."""


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
    for files in containerd_files():
        yield from files.unread
        tables = [table for table in files.tables.values() if _is_same(table.address, address)]
        version = _version(files.address) if tables and files.address else ""
        for table in tables:
            yield from _compare(table, by_name, version)
        if files.newer_import[0] and _MAPS_IDS <= _parsed(version) < _MIGRATES_EACH_FILE:
            yield _ignored(*files.newer_import, version)


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


def _version(address: str) -> str:
    """Return the version of the containerd at an address; empty if it does not answer."""
    try:
        with Client(address, timeout=SECONDS) as client:
            return client.version().version
    except Error:
        return ""


def _compare(table: Table, plugins: Mapping[str, RemotePlugin], version: str) -> Iterator[Finding]:
    """Compare the capabilities in containerd's table with those of the snapshotter, and with its own."""
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
    if "remap-ids" in table.capabilities and _cannot_map_ids(version):
        yield Finding.problem(
            check,
            f"{table.file} gives it remap-ids, but containerd {version} cannot make id-mapped mounts: "
            "containers in user namespaces fail with `invalid argument`",
            f"replace the table with the output of lamina containerd-config --containerd-version {version} "
            f"{table.name}, and restart containerd",
        )
    elif not false:
        yield Finding.ok(check, f"{table.file} has the right capabilities for {plugin.id}")


def _ignored(file: str, imported: str, version: str) -> Finding:
    return Finding.problem(
        "imports",
        f"{file} has an older version than {imported}, which it imports: containerd {version} ignores its "
        "settings of plugins, such as those of CRI",
        f"remove the imports, replace {file} with the output of containerd config migrate, add the imports again, "
        "and restart containerd",
    )


def _cannot_map_ids(version: str) -> bool:
    """Return whether a containerd reads `remap-ids` and cannot do it; False if its version is not known."""
    return _READS_CAPABILITIES <= _parsed(version) < _MAPS_IDS


def _parsed(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; none if it is not known."""
    match = _VERSION.match(version)
    return tuple(map(int, match.groups())) if match else ()


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one.removeprefix("unix://")) == os.path.realpath(other)
