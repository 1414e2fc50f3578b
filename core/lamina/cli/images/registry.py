"""`lamina images pull` and `push`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from lamina.cli.images.options import (
    check_platforms,
    discard_option,
    name_argument,
    platform_option,
    snapshotter_option,
)
from lamina.cli.options.connection import connected, image_options
from lamina.cli.terminal.output import json_option, one_line, write, write_json

if TYPE_CHECKING:
    from lamina.registry import Access

F = TypeVar("F", bound=Callable[..., Any])

_plain_http = click.option(
    "--plain-http", is_flag=True, help="Use HTTP without TLS. A loopback address gets it without being told."
)
_ca_file = click.option(
    "--ca-file",
    type=click.File("rb"),
    metavar="FILE",
    help="Certificates in PEM format to trust beside those of the host's system.",
)
_creds = click.option(
    "--creds",
    metavar="USER[:PASSWORD]",
    help=(
        "Credentials for the registry. A password that is not given is asked for, or read from stdin if that is "
        "no terminal. Default: those of podman login or docker login."
    ),
)


def access_options(command: F) -> F:
    """Add the options for the access to a registry."""
    return _plain_http(_ca_file(_creds(command)))


@click.command()
@image_options
@click.option(
    "--name", "new_name", default="", metavar="NAME", help="Name of the image, in place of the registry's."
)
@platform_option
@click.option("--all-platforms", is_flag=True, help="Pull the image for every platform.")
@click.option("--no-unpack", is_flag=True, help="Leave the image packed.")
@snapshotter_option
@discard_option
@access_options
@json_option
@name_argument
def pull(
    *,
    name: str,
    new_name: str,
    platform: str,
    all_platforms: bool,
    no_unpack: bool,
    snapshotter: str,
    discard_layers: bool,
    plain_http: bool,
    ca_file: BinaryIO | None,
    creds: str | None,
    as_json: bool,
) -> None:
    """Fetch an image from a registry, and unpack it as it arrives.

    NAME is that of a tag or a digest, such as debian:12 or registry.example.com/web@sha256:... Repeated after an
    interruption, the command continues where it stopped.
    """
    from lamina.cli.images.records import imported_documents, received
    from lamina.cli.terminal.bars import Bars

    check_platforms(platform, all_platforms=all_platforms)
    access = _access(plain_http, ca_file, creds)
    with connected() as client, Bars() as bars:
        done = client.transfer().pull(
            name,
            new_name=new_name,
            platform=platform,
            all_platforms=all_platforms,
            unpack=not no_unpack,
            snapshotter=snapshotter,
            discard_layers=discard_layers,
            access=access,
            progress=bars.report,
        )
    if as_json:
        write_json(imported_documents(done)[0])
        return
    (image,) = done.images
    write(f"pulled {received(done, image, platform, unpack=not no_unpack)}")


@click.command()
@image_options
@click.option(
    "--platform",
    default="",
    metavar="OS/ARCH",
    help="Platform to push, such as linux/arm64. Default: all that are there.",
)
@access_options
@json_option
@name_argument
@click.argument("to", default="")
def push(
    *,
    name: str,
    to: str,
    platform: str,
    plain_http: bool,
    ca_file: BinaryIO | None,
    creds: str | None,
    as_json: bool,
) -> None:
    """Send the image NAME to a registry, as TO if that is given.

    The registry gets all platforms of the image that are there, unless one is chosen.
    """
    from lamina.cli.images.records import descriptor_document
    from lamina.cli.terminal.bars import Bars
    from lamina.images import find_image

    access = _access(plain_http, ca_file, creds)
    with connected() as client, Bars() as bars:
        image = find_image(client.images(), name)
        done = client.transfer().push(image.name, to=to, platform=platform, access=access, progress=bars.report)
    if as_json:
        write_json({"Name": done.name, "Target": descriptor_document(done.target)})
    else:
        write(f"pushed {one_line(done.name)} ({done.target.digest})")


def _access(plain_http: bool, ca_file: BinaryIO | None, creds: str | None) -> Access:
    from lamina.registry import Access, Credentials, stored_credentials

    access = Access(stored_credentials(), plain_http=plain_http)
    if creds is not None:
        username, colon, password = creds.partition(":")
        credentials = Credentials(username, password if colon else _password(username))
        access = Access(lambda _repository: credentials, plain_http=plain_http)
    return _with_certificates(access, ca_file) if ca_file else access


def _with_certificates(access: Access, file: BinaryIO) -> Access:
    import attrs

    from lamina.errdefs import InvalidArgument

    try:
        return attrs.evolve(access, ca_certificates=file.read().decode(errors="replace") or "nothing")
    except InvalidArgument as error:
        raise InvalidArgument(
            f"--ca-file {file.name}: {error}: `openssl x509 -inform der -in FILE` converts those in DER"
        ) from error


def _password(username: str) -> str:
    """Ask for a password, or read a line of stdin if that is not a terminal."""
    if sys.stdin.isatty():
        return str(click.prompt(f"Password of {username}", hide_input=True, err=True))
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise click.UsageError(f"--creds {username}: no password on stdin: pipe it, or give {username}:PASSWORD")
    return password
