"""`lamina images commit`, `config` and `history`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.images.changes import config_options
from lamina.cli.images.options import name_argument, platform_option
from lamina.cli.options.connection import connected, image_options
from lamina.cli.terminal.output import (
    binary_size,
    in_seconds,
    json_option,
    one_line,
    write,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from lamina.images import ConfigChanges, LayerCompression, Resolved

_message = click.option("-m", "--message", default="", metavar="TEXT", help="A comment for the history.")
_epoch = click.option(
    "--source-date-epoch",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    envvar="SOURCE_DATE_EPOCH",
    show_envvar=True,
    help="The time of the image, in seconds since 1970. Default: now.",
)


@click.command()
@image_options
@config_options
@_message
@click.option("--base", default="", metavar="NAME", help="The image that the snapshot is based on.")
@click.option(
    "--compression",
    type=click.Choice(("gzip", "zstd", "none")),
    default="gzip",
    help="The compression of the layer. Default: gzip.",
)
@click.option("--live", is_flag=True, help="Commit the snapshot although it is mounted, file by file.")
@_epoch
@click.option(
    "--snapshotter",
    default="",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    help="Id or alias of the snapshotter that has the snapshot. Default: the host's choice.",
)
@json_option
@click.argument("snapshot")
@name_argument
def commit(
    *,
    snapshot: str,
    name: str,
    changes: ConfigChanges,
    message: str,
    base: str,
    compression: LayerCompression,
    live: bool,
    source_date_epoch: int | None,
    snapshotter: str,
    as_json: bool,
) -> None:
    """Make the image NAME of the snapshot SNAPSHOT.

    What was changed since becomes a layer on those of the image that the snapshot was made from. The options
    change the configuration of that image.
    """
    from lamina.cli.images.records import image_document
    from lamina.cli.terminal.bars import Bars

    with connected() as client, Bars() as bars:
        made = client.transfer().commit(
            snapshot,
            name,
            snapshotter=snapshotter,
            base=base,
            changes=changes,
            message=message,
            compression=compression,
            live=live,
            source_date_epoch=source_date_epoch,
            progress=bars.report,
        )
    if as_json:
        write_json(image_document(made))
    else:
        write(f"committed {one_line(made.name)} ({made.target.digest})")


@click.command()
@image_options
@config_options
@click.option("--as", "new_name", default="", metavar="NEW", help="Name of the changed image. Default: NAME.")
@_message
@platform_option
@_epoch
@json_option
@name_argument
def config(
    *,
    name: str,
    new_name: str,
    changes: ConfigChanges,
    message: str,
    platform: str,
    source_date_epoch: int | None,
    as_json: bool,
) -> None:
    """Print the configuration of an image, or change it.

    A changed configuration makes another image on the same layers, which takes the name.
    """
    from lamina.cli.images.records import image_document

    if not changes:
        if new_name or message:
            raise click.UsageError("--as and --message go with a change: lamina images tag gives another name")
        write_json(_configuration(name, platform)[1])
        return
    with connected() as client:
        before = client.transfer().resolve(name, platform=platform)
        made = client.transfer().edit(
            name,
            new_name,
            changes=changes,
            message=message,
            platform=platform,
            source_date_epoch=source_date_epoch,
        )
    if as_json:
        write_json(image_document(made))
    else:
        is_same = made.target.digest in (before.image.target.digest, before.manifest.digest)
        write(f"{'unchanged' if is_same else 'changed'} {one_line(made.name)} ({made.target.digest})")


@click.command()
@image_options
@platform_option
@json_option
@name_argument
def history(*, name: str, platform: str, as_json: bool) -> None:
    """Show the steps by which an image was made, the newest first.

    The size is that of the compressed layer.
    """
    found, document = _configuration(name, platform)
    steps = list(_steps(document.get("history") or [], found))[::-1]
    if as_json:
        write_json(steps)
        return
    rows = (
        (in_seconds(step["Created"]) or "-", step["CreatedBy"] or "-", binary_size(step["Size"]), step["Comment"])
        for step in steps
    )
    write_table(("CREATED", "CREATED BY", "SIZE", "COMMENT"), rows)


def _configuration(name: str, platform: str) -> tuple[Resolved, dict[str, Any]]:
    """Return the parts of an image, and its configuration."""
    import json

    with connected() as client:
        found = client.transfer().resolve(name, platform=platform)
        return found, json.loads(b"".join(client.content().read(found.config.digest)))


def _steps(history: list[dict[str, Any]], found: Resolved) -> Iterator[dict[str, Any]]:
    """Yield the steps of a history, the oldest first, with the layers that they made.

    Layers without a step get an empty one: the history is optional, and need not be complete.
    """
    layers = iter(found.layers)
    nothing: dict[str, Any] = {}
    missing = len(found.layers) - sum(not step.get("empty_layer") for step in history)
    for step in [nothing] * missing + history:
        layer = None if step.get("empty_layer") else next(layers, None)
        yield {
            "Created": step.get("created") or "",
            "CreatedBy": step.get("created_by") or "",
            "Author": step.get("author") or "",
            "Comment": step.get("comment") or "",
            "Layer": layer.digest if layer else "",
            "Size": layer.size if layer else 0,
        }
