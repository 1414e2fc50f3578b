"""`lamina images prune`, `df` and `why`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.images.removals import collect, dry_run_option, place
from lamina.cli.options.connection import (
    connected,
    every_image_options,
    given_namespace,
    host_options,
    image_options,
    typed,
)
from lamina.cli.options.settings import print_warnings
from lamina.cli.terminal.output import binary_size, json_option, one_line, write, write_json, write_table
from lamina.errdefs import DataLoss, Error, FailedPrecondition, InvalidArgument, NotFound, Unavailable, Unknown

if TYPE_CHECKING:
    from lamina.client import Client
    from lamina.metadata.collection import Chain, ImageUsage, Step, Usage


@click.command()
@host_options
@dry_run_option
@json_option
def prune(*, dry_run: bool, as_json: bool) -> None:
    """Remove what no image needs.

    Removes snapshots and blobs, and leases and images that have expired, in all namespaces, since they share
    blobs. Nothing that is younger than the host's grace is removed, by default a minute. Exits with 1 if something
    could not be removed.
    """
    if typed("namespace"):
        raise click.UsageError("namespaces share blobs, so prune covers all of them: leave out --namespace")
    collect(dry_run=dry_run, content_only=False, as_json=as_json)


@click.command()
@every_image_options
@json_option
def df(*, as_json: bool) -> None:
    """Show the disk usage of images.

    OWN is what only this image needs: compressed blobs and snapshots. SHARED is what others need, too: images,
    leases, forks.
    """
    with connected() as client:
        used = client.collector().usage()
    print_warnings(f"not all snapshots are counted: {failure}" for failure in used.failures)
    images = [image for image in used.images if given_namespace() in {"", image.namespace}]
    if as_json:
        write_json(_usage_document(used, images))
        return
    rows = [(image.namespace, image.name, binary_size(image.own), binary_size(image.shared)) for image in images]
    write_table(("NAMESPACE", "NAME", "OWN", "SHARED"), rows, whole=2)
    unused = f"{binary_size(used.reclaimable)} of that is unused: lamina images prune frees it"
    blobs, snapshots = binary_size(used.content), binary_size(used.snapshots)
    write(f"{blobs} of blobs, {snapshots} of snapshots; {unused if used.reclaimable else 'all of that is used'}")


@click.command()
@image_options
@json_option
@click.argument("name", metavar="NAME|DIGEST|SNAPSHOT")
def why(*, name: str, as_json: bool) -> None:
    """Show why an image, a blob or a snapshot is kept.

    Prints a chain of references for each thing that refers to it, from what is kept for its own sake.
    """
    with connected() as client:
        chains = _chains(client, name)
    if as_json:
        write_json([[_step_document(step) for step in chain] for chain in chains])
    elif chains:
        write("\n".join(line for chain in chains for line in _lines(chain)))
    else:
        write(f"nothing keeps {one_line(name)}: lamina images prune removes it")


def _chains(client: Client, name: str) -> list[Chain]:
    """Return the references to the things that a name may mean: a chain id may be a digest, too.

    Raises:
        NotFound: It names nothing.
    """
    from lamina.images import DEFAULT_NAMESPACE

    collector, namespace = client.collector(), given_namespace() or DEFAULT_NAMESPACE
    found: list[Chain] = []
    errors: list[Error] = []
    is_known = False
    for form in _forms(client, name):
        try:
            found += collector.why(form, namespace)
            is_known = True
        except NotFound:
            continue
        except (FailedPrecondition, Unavailable, DataLoss, Unknown) as error:  # a snapshotter does not work
            errors.append(error)
    if not is_known:
        raise errors[0] if errors else NotFound(f"no image, blob or snapshot {name!r} in namespace {namespace!r}")
    return found


def _forms(client: Client, name: str) -> Iterator[str]:
    """Yield a name as it is, the full name of an image, and the name as that of a snapshot of each snapshotter."""
    from lamina.images.references import normalize
    from lamina.plugin import PluginType

    yield name
    with contextlib.suppress(InvalidArgument):
        if (full := normalize(name)) != name:
            yield full
    for plugin in client.plugins(f"type=={PluginType.SNAPSHOTTER}"):
        if plugin.init_error is None:
            yield f"{plugin.id}/{name}"


def _lines(chain: Chain) -> Iterator[str]:
    """Yield a line for each step, those after the first indented."""
    for number, step in enumerate(chain):
        where = place(step.kind, "" if step.kind == "blob" else step.namespace, step.snapshotter)
        shown = f"{step.kind} {step.name}" + (f" in {where}" if where else "")
        why = "" if step.how == step.kind else f": {step.how}"  # an image is kept because it is one
        yield f"{'  ' if number else ''}{one_line(f'{shown}{why}')}"


def _usage_document(used: Usage, images: Sequence[ImageUsage]) -> dict[str, Any]:
    """Return the disk usage of images as a JSON object, in bytes."""
    return {
        "Images": [
            {
                "Namespace": image.namespace,
                "Name": image.name,
                "Own": {"Content": image.own_content, "Snapshots": image.own_snapshots},
                "Shared": {"Content": image.shared_content, "Snapshots": image.shared_snapshots},
            }
            for image in images
        ],
        "Content": used.content,
        "Snapshots": used.snapshots,
        "Reclaimable": used.reclaimable,
        "Failures": list(used.failures),
    }


def _step_document(step: Step) -> dict[str, Any]:
    return {
        "Kind": step.kind,
        "Name": step.name,
        "Namespace": step.namespace,
        "Snapshotter": step.snapshotter,
        "How": step.how,
    }
