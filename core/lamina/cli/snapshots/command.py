"""`lamina snapshots`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from lamina.cli.groups import Group
from lamina.cli.options.connection import connected_snapshotter, given_keyspace, snapshotter_options
from lamina.cli.options.filters import warn_unknown_fields
from lamina.cli.snapshots.diff import diff
from lamina.cli.snapshots.labels import format_labels, kept, label_option, parse_labels
from lamina.cli.snapshots.records import info_document, mount_command, mount_document, usage_document
from lamina.cli.snapshots.removal import remove
from lamina.cli.terminal.output import (
    binary_size,
    json_implied,
    json_of_removed,
    json_option,
    notify,
    write,
    write_json,
    write_table,
)
from lamina.cli.terminal.progress import progress
from lamina.errdefs import NotFound
from lamina.snapshots import Info, Snapshotter, Usage

if TYPE_CHECKING:
    from lamina.mount import Mount

_force = click.option("--force", is_flag=True, help="Proceed even if the snapshot is mounted.")
_target = click.option(
    "-t", "--target", metavar="TARGET", help="Print the commands that mount the snapshot on TARGET."
)
_filters = click.argument("filters", nargs=-1, metavar="[FILTER]...")
_mount_point = click.argument("target", type=click.Path(exists=True, file_okay=False, resolve_path=True))


@click.group(cls=Group)
@snapshotter_options
def snapshots() -> None:
    """Create, inspect and remove snapshots on a running host."""


@snapshots.command()
@snapshotter_options
@_target
@label_option
@json_option
@click.argument("key")
@click.argument("parent", default="")
def prepare(*, key: str, parent: str, labels: Mapping[str, str], target: str | None, as_json: bool) -> None:
    """Create an active snapshot: a writable copy of PARENT."""
    with connected_snapshotter(parent) as snapshotter:
        mounts = snapshotter.prepare(key, parent, kept(labels, given_keyspace()))
    _show_created(key, mounts, target, as_json=as_json)


@snapshots.command()
@snapshotter_options
@_target
@label_option
@json_option
@click.argument("key")
@click.argument("parent", default="")
def view(*, key: str, parent: str, labels: Mapping[str, str], target: str | None, as_json: bool) -> None:
    """Create a view: a read-only copy of PARENT."""
    with connected_snapshotter(parent) as snapshotter:
        mounts = snapshotter.view(key, parent, labels)
    _show_created(key, mounts, target, as_json=as_json)


def _show_created(key: str, mounts: Sequence[Mount], target: str | None, *, as_json: bool) -> None:
    if as_json:
        write_json([mount_document(mount) for mount in mounts])
    elif target is not None:
        _write_commands(mounts, target)
    else:
        notify(f"created {key}. To mount it: lamina snapshots mount {key} TARGET")


def _write_commands(mounts: Sequence[Mount], target: str) -> None:
    write("\n".join(mount_command(mount, target) for mount in mounts))


@snapshots.command()
@snapshotter_options
@json_option
@click.argument("target")
@click.argument("key")
def mounts(*, target: str, key: str, as_json: bool) -> None:
    """Print the commands that mount a snapshot on TARGET."""
    with connected_snapshotter(key) as snapshotter:
        found = snapshotter.mounts(key)
    if as_json:
        write_json([mount_document(mount) for mount in found])
    else:
        _write_commands(found, target)


@snapshots.command()
@snapshotter_options
@_force
@json_option
@click.argument("key")
@_mount_point
def mount(*, key: str, target: str, force: bool, as_json: bool) -> None:
    """Mount an active snapshot or view on the directory TARGET.

    Refuses an active snapshot that is already mounted.
    """
    from lamina.mount import is_read_only, mount_all

    with connected_snapshotter(key) as snapshotter:
        mounts = snapshotter.mounts(key)
        if not force and not all(map(is_read_only, mounts)):
            _check_unused(snapshotter, key)
        mount_all(mounts, target)
    if as_json:
        write_json({"Key": key, "Target": target})
    else:
        notify(f"mounted {key} on {target}")


def _check_unused(snapshotter: Snapshotter, key: str) -> None:
    from lamina.snapshots.mounted import check_unused

    check_unused(snapshotter, key, otherwise="or use --force")


@snapshots.command("unmount")
@json_option
@_mount_point
def unmount_(*, target: str, as_json: bool) -> None:
    """Unmount the directory TARGET."""
    from lamina.mount import unmount

    if not unmount(target):
        raise NotFound(f"nothing is mounted on {target}")
    if as_json:
        write_json({"Target": target})


@snapshots.command()
@snapshotter_options
@label_option
@_force
@click.option(
    "--parent", default="", metavar="NAME", help=("Make this committed snapshot the parent, if there is none yet.")
)
@json_option
@click.argument("name")
@click.argument("key")
def commit(*, name: str, key: str, labels: Mapping[str, str], parent: str, force: bool, as_json: bool) -> None:
    """Turn the active snapshot KEY into the committed snapshot NAME.

    Refuses a snapshot that is mounted.
    """
    with connected_snapshotter(key, parent) as snapshotter:
        if not force:
            _check_unused(snapshotter, key)
        snapshotter.commit(name, key, kept(labels, given_keyspace()), parent)
        if as_json:
            write_json(info_document(snapshotter.stat(name)))


@snapshots.command()
@snapshotter_options
@_force
@json_option
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
def rm(*, keys: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Remove snapshots in the given order; stop at the first failure.

    Refuses a snapshot that is mounted.
    """
    with json_of_removed(as_json) as removed, connected_snapshotter(*keys) as snapshotter:
        for key in keys:
            if not force:
                _check_unused(snapshotter, key)
            document = info_document(snapshotter.stat(key)) if as_json else None
            remove(snapshotter, key)
            removed.append(document)


@snapshots.command()
@snapshotter_options
@json_option
@_filters
def ls(*, filters: tuple[str, ...], as_json: bool) -> None:
    """List snapshots.

    With FILTERs, such as kind==active or labels.team==a,parent==base, list only snapshots that match at least one.
    """
    found = _walk(filters)
    if as_json:
        write_json([info_document(info) for info in found])
    else:
        rows = [(info.name, info.parent, info.kind.title) for info in found]
        write_table(("KEY", "PARENT", "KIND"), rows, whole=2)


@snapshots.command("tree")
@snapshotter_options
@json_option
@_filters
def show_tree(*, filters: tuple[str, ...], as_json: bool) -> None:
    """Show snapshots as trees, below their parents."""
    from lamina.cli.snapshots.tree import tree, tree_json, tree_line

    nodes = tree(_walk(filters))
    if as_json:
        write("".join(tree_json(nodes)))
    elif lines := [tree_line(node) for node in nodes]:
        write("\n".join(lines))


def _walk(filters: Sequence[str]) -> list[Info]:
    warn_unknown_fields(filters, "snapshot", ("name", "parent", "kind", "labels"))
    with connected_snapshotter() as snapshotter:
        return list(progress(snapshotter.walk(*filters), "snapshots"))


@snapshots.command()
@snapshotter_options
@json_implied
@click.argument("key")
def info(*, key: str) -> None:
    """Print a snapshot's record as JSON."""
    with connected_snapshotter(key) as snapshotter:
        write_json(info_document(snapshotter.stat(key)))


@snapshots.command()
@snapshotter_options
@click.option("-b", "--bytes", "in_bytes", is_flag=True, help="Print sizes in bytes.")
@json_option
@click.argument("keys", nargs=-1, metavar="[KEY]...")
def usage(*, keys: tuple[str, ...], in_bytes: bool, as_json: bool) -> None:
    """Show the disk usage of snapshots, without that of their parents."""
    with connected_snapshotter(*keys) as snapshotter:
        used = list(_usages(snapshotter, keys))
    if as_json:
        write_json([usage_document(key, usage) for key, usage in used])
    else:
        size = str if in_bytes else binary_size
        rows = [(key, size(usage.size), str(usage.inodes)) for key, usage in used]
        write_table(("KEY", "SIZE", "INODES"), rows)


def _usages(snapshotter: Snapshotter, keys: Sequence[str]) -> Iterator[tuple[str, Usage]]:
    found = keys or [info.name for info in progress(snapshotter.walk(), "snapshots")]
    for key in progress(found, "snapshots", len(found)):
        try:
            yield key, snapshotter.usage(key)
        except NotFound:
            if keys:
                raise  # otherwise it was removed since it was listed


@snapshots.command()
@snapshotter_options
@json_option
@click.argument("key")
@click.argument("labels", nargs=-1, metavar="[KEY=VALUE]...", callback=parse_labels)
def label(*, key: str, labels: Mapping[str, str], as_json: bool) -> None:
    """Change labels of a snapshot and print all of them.

    KEY=VALUE sets a label, KEY alone sets it to true, KEY= deletes it.
    """
    with connected_snapshotter(key) as snapshotter:
        if labels:
            values = {name: value for name, value in labels.items() if value}
            now = snapshotter.update(Info(key, labels=values), tuple(f"labels.{name}" for name in labels))
        else:
            now = snapshotter.stat(key)
    if as_json:
        write_json(info_document(now))
    elif now.labels:
        write(format_labels(now.labels))


@snapshots.command()
@snapshotter_options
def cleanup() -> None:
    """Delete the data of removed snapshots and interrupted calls now."""
    with connected_snapshotter() as snapshotter:
        snapshotter.cleanup()


snapshots.add_command(diff)
