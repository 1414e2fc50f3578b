"""`lamina images export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.options.connection import connected, image_options
from lamina.cli.terminal.output import json_option, one_line, write, write_json

if TYPE_CHECKING:
    from lamina.images import ArchiveFormat


@click.command()
@image_options
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(), help="The archive, or the directory."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(("oci", "oci-dir", "docker")),
    default="oci",
    help=(
        "OCI layout in a tar archive, the same in a directory, or an archive that docker load reads, too. "
        "Default: oci."
    ),
)
@click.option(
    "--platform",
    default="",
    metavar="OS/ARCH",
    help="Platform to export, such as linux/arm64. Default: all that are there; for docker, the host's.",
)
@json_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def export(*, names: tuple[str, ...], output: str, format_: ArchiveFormat, platform: str, as_json: bool) -> None:
    """Write images to an archive. The host writes it.

    The archive is there when it is complete, and not before. It replaces a file; a directory must be new or empty.
    """
    from lamina.cli.images.records import image_document
    from lamina.cli.terminal.bars import Bars

    if output == "-":
        raise click.UsageError("-o -: the host writes the archive, so it cannot go to stdout: name a file")
    with connected() as client, Bars() as bars:
        done = client.transfer().export(output, names, format=format_, platform=platform, progress=bars.report)
    if as_json:
        write_json([image_document(image) for image in done.images])
        return
    for image in done.images:
        write(f"exported {one_line(image.name)} ({image.target.digest})")
