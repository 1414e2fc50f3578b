"""`lamina images`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from lamina.cli.groups import Group
from lamina.cli.images.building import commit, config, history
from lamina.cli.images.collection import df, prune, why
from lamina.cli.images.exporting import export
from lamina.cli.images.options import (
    check_platforms,
    discard_option,
    name_argument,
    platform_option,
    snapshotter_option,
)
from lamina.cli.images.registry import pull, push
from lamina.cli.options.connection import connected, image_options
from lamina.cli.terminal.output import (
    binary_size,
    json_implied,
    json_of_removed,
    json_option,
    notify,
    one_line,
    write,
    write_json,
    write_table,
)
from lamina.errdefs import AlreadyExists, DataLoss, InvalidArgument, NotFound

if TYPE_CHECKING:
    from lamina.client import Client
    from lamina.images import Image

_mount_point = click.argument("target", type=click.Path(exists=True, file_okay=False, resolve_path=True))


@click.group(cls=Group)
@image_options
def images() -> None:
    """Pull, push, import, export, build and mount images."""


@images.command("import")
@image_options
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="NAME",
    help="Name of the image, in place of the archive's. Repeatable.",
)
@platform_option
@click.option("--all-platforms", is_flag=True, help="Import the image for every platform.")
@click.option("--no-unpack", is_flag=True, help="Leave the image packed.")
@snapshotter_option
@discard_option
@json_option
@click.argument("file", type=click.Path(exists=True))
def import_(
    *,
    file: str,
    names: Sequence[str],
    platform: str,
    all_platforms: bool,
    no_unpack: bool,
    snapshotter: str,
    discard_layers: bool,
    as_json: bool,
) -> None:
    """Import and unpack the images in FILE.

    FILE is an OCI layout (a directory), an archive of one, or an archive of docker save; the host reads it.
    Repeated after an interruption, the command continues where it stopped.
    """
    from lamina.cli.images.records import imported_documents, received
    from lamina.cli.terminal.bars import Bars

    check_platforms(platform, all_platforms=all_platforms)
    with connected() as client, Bars() as bars:
        done = client.transfer().import_(
            file,
            names=names,
            platform=platform,
            all_platforms=all_platforms,
            unpack=not no_unpack,
            snapshotter=snapshotter,
            discard_layers=discard_layers,
            progress=bars.report,
        )
    if as_json:
        write_json(imported_documents(done))
        return
    for image in done.images:
        write(f"imported {received(done, image, platform, unpack=not no_unpack)}")


@images.command()
@image_options
@json_option
@click.argument("filters", nargs=-1, metavar="[FILTER]...")
def ls(*, filters: tuple[str, ...], as_json: bool) -> None:
    """List images.

    With FILTERs, such as name~=debian, list only images that match at least one. The size is that of the
    compressed layers for the host's platform.
    """
    from lamina.cli.images.records import image_document
    from lamina.cli.options.filters import warn_unknown_fields

    warn_unknown_fields(filters, "image", ("name", "target", "labels", "annotations"))
    with connected() as client:
        found = list(client.images().list(*filters))
        if as_json:
            write_json([image_document(image) for image in found])
            return
        rows = [(image.name, image.target.digest, *_facts(client, image)) for image in found]
    write_table(("NAME", "DIGEST", "PLATFORM", "SIZE"), rows)


def _facts(client: Client, image: Image) -> tuple[str, str]:
    """Return the platform and the size of an image; dashes if `inspect` cannot show it for the host's platform."""
    try:
        found = client.transfer().resolve(image.name)
    except (NotFound, InvalidArgument, DataLoss):
        return "-", "-"
    return found.platform, binary_size(sum(layer.size for layer in found.layers))


@images.command()
@image_options
@platform_option
@json_implied
@name_argument
def inspect(*, name: str, platform: str) -> None:
    """Print as JSON what an image consists of."""
    import json

    from lamina.cli.images.records import resolved_document

    with connected() as client:
        found = client.transfer().resolve(name, platform=platform)
        config = b"".join(client.content().read(found.config.digest))
    write_json(resolved_document(found, json.loads(config)))


@images.command()
@image_options
@click.option("--force", is_flag=True, help="Replace an image that has the new name.")
@json_option
@name_argument
@click.argument("new")
def tag(*, name: str, new: str, force: bool, as_json: bool) -> None:
    """Give an image another name, too."""
    from lamina.cli.images.records import image_document

    with connected() as client:
        try:
            made = client.transfer().tag(name, new, force=force)
        except AlreadyExists as error:
            raise AlreadyExists(f"{error}: --force replaces it") from error
    if as_json:
        write_json(image_document(made))
    else:
        notify(f"tagged {made.name}")


@images.command()
@image_options
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def rm(*, names: tuple[str, ...], as_json: bool) -> None:
    """Remove names of images; stop at the first failure. Blobs and snapshots stay until you prune."""
    from lamina.cli.images.records import image_document
    from lamina.images import find_image

    with json_of_removed(as_json) as removed, connected() as client:
        store = client.images()
        for name in names:
            image = find_image(store, name)
            store.delete(image.name)
            removed.append(image_document(image))


@images.command()
@image_options
@platform_option
@snapshotter_option
@json_option
@name_argument
def unpack(*, name: str, platform: str, snapshotter: str, as_json: bool) -> None:
    """Unpack an image into snapshots. Layers that are unpacked already are not read."""
    from lamina.cli.images.records import unpacked_document
    from lamina.cli.terminal.bars import Bars

    with connected() as client, Bars() as bars:
        done = client.transfer().unpack(name, platform=platform, snapshotter=snapshotter, progress=bars.report)
    if as_json:
        write_json(unpacked_document(done))
    else:
        write(f"unpacked {one_line(done.image)} on {done.snapshotter} ({done.chain_id})")


@images.command()
@image_options
@platform_option
@snapshotter_option
@click.option("--rw", is_flag=True, help="Mount a fork that can be written to.")
@click.option("--key", default="", metavar="KEY", help="Keep the fork under this key when it is unmounted.")
@json_option
@name_argument
@_mount_point
def mount(*, name: str, target: str, platform: str, snapshotter: str, rw: bool, key: str, as_json: bool) -> None:
    """Mount an image on the directory TARGET, read-only.

    With --rw, changes go to a fork of the image, which unmounting throws away unless it has a key. The image is
    unpacked first if it is not yet.
    """
    from lamina.cli.images.mounting import mount_key, snapshot
    from lamina.cli.images.records import unpacked_document
    from lamina.cli.terminal.bars import Bars
    from lamina.mount import mount_all
    from lamina.snapshots import Kind

    if key and not rw:
        raise click.UsageError("--key names a fork: give --rw, too")
    with connected() as client:
        with Bars() as bars:
            done = client.transfer().unpack(name, platform=platform, snapshotter=snapshotter, progress=bars.report)
        where = client.snapshotter(done.snapshotter)
        kind, key = Kind.ACTIVE if rw else Kind.VIEW, key or mount_key(target)
        manifest = client.transfer().resolve(name, platform=platform).manifest.digest
        with snapshot(where, key, done.chain_id, kind, target, manifest) as mounts:
            mount_all(mounts, target)
    if as_json:
        write_json({**unpacked_document(done), "Key": key, "Kind": kind.title, "Target": target})
        return
    notify(f"mounted {done.image} on {target}. To unmount it: lamina images unmount {shlex.quote(target)}")


@images.command("unmount")
@image_options
@json_option
@_mount_point
def unmount_(*, target: str, as_json: bool) -> None:
    """Unmount the image on the directory TARGET.

    The image stays. A fork without a key is removed, with all changes.
    """
    from lamina.cli.images.mounting import unmount_image

    with connected() as client:
        is_removed = unmount_image(client, target)
    if as_json:
        write_json({"Target": target, "Removed": is_removed})


for command in (commit, config, df, export, history, prune, pull, push, why):
    images.add_command(command)
