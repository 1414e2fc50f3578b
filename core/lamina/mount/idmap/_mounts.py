"""Id-mapped mounts (mount_setattr(2)): files appear with other owners than on disk."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterable, Iterator

from lamina.mount import _syscalls
from lamina.mount._filesystem import mount_filesystem
from lamina.mount._mount_point import make_mount_point
from lamina.mount._options import MountFlag, Options, replace_parameter, split_parameters
from lamina.mount._overlay import Layers, format_layers, split_layers
from lamina.mount._record import Mount

_MNT_DETACH = 2  # umount2(2)


def bind_id_mapped(mount: Mount, options: Options, namespace: int, place: str) -> None:
    """Make an id-mapped bind mount; with `rbind`, of all mounts of the tree.

    Args:
        mount: The mount.
        options: Its options.
        namespace: A user namespace with the maps.
        place: The mount point.

    Raises:
        OSError: The kernel refused; the notes name the step.
    """
    tree = _clone(mount.source, namespace, recursive=bool(options.flags & MountFlag.REC))
    try:
        _syscalls.move_mount(tree, place)
    finally:
        os.close(tree)


def mount_overlay_id_mapped(mount: Mount, options: Options, namespace: int, place: str) -> None:
    """Mount an overlay whose lower layers are each id-mapped. Written files keep their owners on disk.

    Parameters as above.

    Raises:
        OSError: The kernel refused; the notes name the step.
        InvalidArgument: The options are malformed, or too long for mount(2).
    """
    mount_on_mapped(itertools.repeat(namespace), mount, options, place)


def mount_on_mapped(namespaces: Iterable[int | None], mount: Mount, options: Options, place: str) -> None:
    """Mount an overlay on layers that are each mapped by a namespace of its own, or not at all.

    Args:
        namespaces: A user namespace with maps for each layer, topmost first; None for one that is not mapped.
        mount: The mount.
        options: Its options.
        place: The mount point.

    Raises:
        OSError: The kernel refused; the notes name the step.
        InvalidArgument: The options are malformed, or too long for mount(2).
    """
    lowerdir = dict(split_parameters(options.data)).get("lowerdir") or ""
    layers = split_layers(lowerdir)
    with contextlib.ExitStack() as stack:
        trees = []
        for (_, path), namespace in zip(layers, namespaces, strict=False):
            trees.append(_clone(path, namespace))
            stack.callback(os.close, trees[-1])
        paths = [f"/proc/self/fd/{tree}" for tree in trees]
        if not _mount_on(paths, layers, mount, options, place):
            mount_on_attached(trees, layers, mount, options, place)


def mount_on_attached(trees: list[int], layers: Layers, mount: Mount, options: Options, place: str) -> None:
    """Mount an overlay on layers that are attached to temporary mount points meanwhile."""
    with _attached(trees) as paths:
        mount_filesystem(mount, _with_layers(options, layers, paths), place)


def _mount_on(paths: list[str], layers: Layers, mount: Mount, options: Options, place: str) -> bool:
    """Mount on detached layers; return whether this kernel supports that (since Linux 6.15)."""
    try:
        mount_filesystem(mount, _with_layers(options, layers, paths), place)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


@contextlib.contextmanager
def _attached(trees: list[int]) -> Iterator[list[str]]:
    places: list[str] = []
    with contextlib.ExitStack() as stack:
        directory = make_mount_point()
        stack.callback(os.rmdir, directory)
        for number, tree in enumerate(trees):
            place = os.path.join(directory, str(number))
            os.mkdir(place)
            stack.callback(os.rmdir, place)
            _syscalls.move_mount(tree, place)
            stack.callback(_syscalls.umount2, place, _MNT_DETACH)
            places.append(place)
        yield places


def _with_layers(options: Options, layers: Layers, paths: list[str]) -> Options:
    moved = [(key, path) for (key, _), path in zip(layers, paths, strict=True)]
    return options._replace(data=replace_parameter(options.data, "lowerdir", format_layers(moved)))


def _clone(path: str, namespace: int | None, *, recursive: bool = False) -> int:
    """Return the descriptor of a detached copy of the mount at `path`, id-mapped if there is a namespace."""
    try:
        tree = _syscalls.open_tree(path, recursive=recursive)
        try:
            if namespace is not None:
                _syscalls.map_ids(tree, namespace, recursive=recursive)
        except OSError:
            os.close(tree)
            raise
    except OSError as error:
        error.add_note(f"at an id-mapped mount of {path} (which file systems can have one: mount_setattr(2))")
        raise
    return tree
