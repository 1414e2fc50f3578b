"""Options and arguments of several commands."""

from __future__ import annotations

import click

platform_option = click.option(
    "--platform",
    default="",
    metavar="OS/ARCH",
    help="Platform of the image, such as linux/arm64. Default: the host's.",
)
snapshotter_option = click.option(
    "--snapshotter",
    default="",
    metavar="NAME",
    envvar="LAMINA_SNAPSHOTTER",
    show_envvar=True,
    help="Id or alias of the snapshotter to unpack with. Default: the host's choice, overlayfs if it works.",
)
discard_option = click.option(
    "--discard-layers", is_flag=True, help="Remove the compressed layers once they are unpacked."
)
name_argument = click.argument("name")


def check_platforms(platform: str, *, all_platforms: bool) -> None:
    """Refuse one platform and all of them at a time."""
    if platform and all_platforms:
        raise click.UsageError(
            "--all-platforms takes every platform, and unpacks that of the host: leave out --platform, and unpack "
            "another with `lamina images unpack --platform`"
        )
