"""`lamina snapshots diff`."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from lamina.cli.options.connection import connected_snapshotter, snapshotter_options
from lamina.cli.terminal.output import (
    STDOUT,
    binary_size,
    escape,
    json_option,
    one_line,
    write,
    write_json,
    write_json_array,
    write_lines,
)
from lamina.cli.terminal.progress import byte_progress

if TYPE_CHECKING:
    from lamina.layers import Compression, WrittenLayer
    from lamina.layers.comparing import Change
    from lamina.mount import Mount

_DASH: Final = "-"
_COMPRESSIONS: Final = {".tar": "none", ".gz": "gzip", ".tgz": "gzip", ".zst": "zstd", ".tzst": "zstd"}
"""Values of `Compression` by the ends of file names."""
_KIND: Final = 5
"""The width of the column with the kind of difference."""
_SIZE: Final = 14
"""The width of the column of sizes: `1023.9 KiB` and a gap."""
_WORDS: Final = {"add": "added", "modify": "modified", "delete": "deleted"}


def _compression(output: str) -> Compression:
    """Return the compression that the name of a file implies."""
    from lamina.layers import Compression

    if output == _DASH:
        if sys.stdout.isatty():
            raise click.UsageError("-o -: a terminal cannot show a layer: name a file, or redirect the output")
        return Compression.NONE
    suffix = os.path.splitext(output)[1]
    if suffix not in _COMPRESSIONS:
        raise click.UsageError(
            f"{one_line(output)}: the name of a layer ends with .tar, .tar.gz, .tgz or .tar.zst, which says "
            "how it is compressed"
        )
    return Compression(_COMPRESSIONS[suffix])


@click.command()
@snapshotter_options
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Write the layer that turns A into B: FILE.tar, .tar.gz or .tar.zst; - for a tar archive on stdout.",
)
@click.option(
    "--source-date-epoch",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    envvar="SOURCE_DATE_EPOCH",
    show_envvar=True,
    help="The latest time in the layer, in seconds since 1970. Default: that of its newest file.",
)
@json_option
@click.argument("a")
@click.argument("b", default="")
def diff(*, a: str, b: str, output: str | None, source_date_epoch: int | None, as_json: bool) -> None:
    """Show what differs between two snapshots, or write it as a layer.

    A path was added (A), modified (M) or deleted (D) from snapshot A to snapshot B. Without B, A is compared with
    its parent. Of a snapshot that is written to meanwhile, some changes may be missed.
    """
    if output is None:
        _show_changes(a, b, as_json=as_json)
        return
    if as_json and output == _DASH:
        raise click.UsageError("the layer and JSON cannot both be printed: use one of --json and -o -")
    compression = _compression(output)
    written = _write_layer(a, b, output, compression, source_date_epoch)
    if as_json:
        write_json(_layer_document(written, compression))
    elif output != _DASH:
        entries = "1 entry" if written.entries == 1 else f"{written.entries:,} entries"
        write(f"wrote {one_line(output)}: {entries}, {binary_size(written.size)}")
        write(f"digest  {written.digest}")
        write(f"diff ID {written.diff_id}")


@contextlib.contextmanager
def _mounts(a: str, b: str) -> Iterator[tuple[Sequence[Mount], Sequence[Mount]]]:
    """Yield the mounts of both trees."""
    from lamina.snapshots.temporary import Owner, remove_leftovers, temporary_mounts

    owner = Owner()
    with connected_snapshotter(a, b) as snapshotter:
        remove_leftovers(snapshotter, owner)
        lower, upper = (a, b) if b else (snapshotter.stat(a).parent, a)
        with (
            temporary_mounts(snapshotter, lower, owner) as below,
            temporary_mounts(snapshotter, upper, owner) as above,
        ):
            yield below, above


def _show_changes(a: str, b: str, *, as_json: bool) -> None:
    from lamina.layers.comparing import opened_comparison

    with (
        byte_progress("comparing …", "compared"),
        _mounts(a, b) as (lower, upper),
        opened_comparison(lower, upper) as comparison,
    ):
        pass
    if as_json:
        write_json_array(map(_change_document, comparison.changes))
    else:
        write_lines(_lines(comparison.changes))


def _lines(changes: Iterator[Change]) -> Iterator[str]:
    """Yield a table of changes, which is too long to be kept, and a summary."""
    first = next(changes, None)
    if first is None:
        yield "no differences"
        return
    counts: Counter[str] = Counter()
    size = 0
    yield f"{'':{_KIND}}{'SIZE':{_SIZE}}PATH"
    for change in itertools.chain([first], changes):
        counts[change.kind] += 1
        size += change.size
        shown = "" if change.kind == "delete" else binary_size(change.size)
        yield f"{change.kind[0].upper():{_KIND}}{shown:{_SIZE}}{escape(_path(change))}"
    parts = [f"{counts[kind]:,} {word}" for kind, word in _WORDS.items() if counts[kind]]
    yield f"{', '.join(parts)}; files of {binary_size(size)}"


@contextlib.contextmanager
def _opened_output(output: str) -> Iterator[int]:
    if output == _DASH:
        yield sys.stdout.fileno()
        return
    from lamina.fs.new_file import new_file

    with new_file(output, 0o666) as fd:
        yield fd


def _write_layer(
    a: str, b: str, output: str, compression: Compression, source_date_epoch: int | None
) -> WrittenLayer:
    from lamina.fs import write_all
    from lamina.layers import LocalDiffer

    with (
        byte_progress("comparing …", "read") as progress,
        _opened_output(output) as fd,
        _mounts(a, b) as (lower, upper),
    ):

        def write(data: bytes | memoryview) -> None:
            try:
                write_all(fd, data)
            except OSError as error:
                error.filename = STDOUT if output == _DASH else output
                raise

        return LocalDiffer().compare(
            lower,
            upper,
            write,
            compression=compression,
            source_date_epoch=source_date_epoch,
            progress=progress,
        )


def _path(change: Change) -> str:
    return os.fsdecode(b"/" + change.path)


def _change_document(change: Change) -> dict[str, Any]:
    """Return a change as a JSON object, its size in bytes."""
    return {"Kind": str(change.kind), "Path": _path(change), "Size": change.size}


def _layer_document(written: WrittenLayer, compression: Compression) -> dict[str, Any]:
    """Return a layer as a JSON object, with the fields of a descriptor."""
    from lamina.images.documents import OCI_LAYER

    return {
        "MediaType": OCI_LAYER if compression.value == "none" else f"{OCI_LAYER}+{compression.value}",
        "Digest": written.digest,
        "Size": written.size,
        "DiffID": written.diff_id,
        "UncompressedSize": written.uncompressed_size,
        "Entries": written.entries,
    }
