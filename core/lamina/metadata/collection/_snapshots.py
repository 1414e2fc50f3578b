"""Removal of snapshots that are not marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from lamina.errdefs import DeadlineExceeded, Error, HasChildren, NotFound, Unavailable, Unimplemented, message
from lamina.metadata._node import Node, snapshot
from lamina.metadata._references import is_root
from lamina.metadata.collection._limits import limited
from lamina.metadata.collection._listing import Keyspace, Listed
from lamina.metadata.collection._records import Removed
from lamina.metadata.collection._sweep import UNREFERENCED, Sweep

SECONDS: Final = 60.0
"""Seconds within which a snapshotter has to remove a snapshot."""


def sweep_snapshots(sweep: Sweep) -> Iterator[Removed]:
    """Remove snapshots, children before their parents, except from a snapshotter that did not answer."""
    changed: dict[str, Keyspace] = {}
    """A keyspace of each snapshotter that removed something."""
    for keyspace in sweep.listing.keyspaces.values():
        if sweep.sources.answers.is_silent(keyspace.name):
            continue
        for removed in _sweep_keyspace(sweep, keyspace):
            if not removed.young and not removed.error:
                changed[keyspace.name] = keyspace
            yield removed
    if not sweep.dry_run:
        for keyspace in changed.values():
            _clean_up(sweep, keyspace)


def sweep_failures(sweep: Sweep) -> Iterator[Removed]:
    """Report the snapshots that could not be listed. Their needs are unknown, so blobs stay."""
    for namespace, name, error in sweep.listing.failures:
        problem = f"cannot list its snapshots, so no blobs are removed: {error}"
        yield sweep.report(Removed("snapshot", "", namespace, name, error=problem))


def _sweep_keyspace(sweep: Sweep, keyspace: Keyspace) -> Iterator[Removed]:
    kept: set[str] = set()
    """Snapshots that stay, or one on top of them does."""
    for key in _children_first(keyspace.snapshots):
        listed = keyspace.snapshots[key]
        node = snapshot(keyspace.namespace, keyspace.name, key)
        if key in kept or sweep.marking.has(node):
            kept.add(listed.parent)
            continue
        removed, is_gone, is_usable = _remove(sweep, keyspace, node, listed)
        if removed is not None:
            yield sweep.report(removed)
        if not is_gone:
            kept.add(listed.parent)
        if not is_usable:
            return


def _children_first(snapshots: dict[str, Listed]) -> list[str]:
    """Return the names of snapshots, each before its parent."""
    depths: dict[str, int] = {"": 0}
    for name in snapshots:
        path, below = [], name
        while below not in depths:
            path.append(below)
            below = snapshots[below].parent if below in snapshots else ""
        depths |= {one: number for number, one in enumerate(reversed(path), depths[below] + 1)}
    return sorted(snapshots, key=lambda name: depths[name], reverse=True)


def _remove(sweep: Sweep, keyspace: Keyspace, node: Node, listed: Listed) -> tuple[Removed | None, bool, bool]:
    """Remove a snapshot.

    Returns:
        The report, whether it is gone, and whether the snapshotter can remove others.
    """
    reason = "its owner has ended" if listed.is_abandoned else UNREFERENCED
    removed = Removed("snapshot", node.name, node.namespace, node.snapshotter, reason=reason)
    with sweep.removing([node]) as free:
        if not free:
            return None, False, True
        try:
            with limited(SECONDS):
                return _remove_now(sweep, keyspace, removed, node, listed)
        except NotFound:
            return None, True, True
        except HasChildren:
            return None, False, True
        except (DeadlineExceeded, Unavailable) as error:
            return attrs.evolve(removed, error=str(error)), False, False
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing snapshotter does not keep the rest from being removed
            return attrs.evolve(removed, error=message(error) or type(error).__name__), False, True


def _remove_now(
    sweep: Sweep, keyspace: Keyspace, removed: Removed, node: Node, listed: Listed
) -> tuple[Removed | None, bool, bool]:
    info = keyspace.snapshotter.stat(node.name)
    if is_root(info.labels):
        return None, False, True
    if not listed.is_abandoned:
        removed = attrs.evolve(removed, size=keyspace.snapshotter.usage(node.name).size)
        if sweep.recent.keeps(node, max(info.created, info.updated)):
            return attrs.evolve(removed, young=True), False, True
    if not sweep.dry_run:
        keyspace.snapshotter.remove(node.name)
    return removed, True, True


def _clean_up(sweep: Sweep, keyspace: Keyspace) -> None:
    try:
        with limited(SECONDS):
            keyspace.snapshotter.cleanup()
    except Unimplemented:
        return
    except Error as error:
        sweep.report(Removed("snapshot", "", keyspace.namespace, keyspace.name, error=f"clean up: {error}"))
