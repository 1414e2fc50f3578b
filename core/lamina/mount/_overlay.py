"""Overlay's `lowerdir`, a list of directories in one string."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from lamina.errdefs import InvalidArgument
from lamina.mount._options import split_parameters

Layers = list[tuple[str, str]]
"""The parameter, `lowerdir+` or `datadir+`, and the path of each layer, topmost first."""

_LAYER_OR_SEPARATOR = re.compile(r"(?P<layer>(?:\\.|[^:\\]|\\\Z)+)|:+", re.DOTALL)


class OverlayDirectories(NamedTuple):
    """The directories of an overlay."""

    lower: tuple[str, ...]
    """The layers, topmost first."""
    upper: str = ""
    """The directory that takes writes; "" if it is read-only."""
    work: str = ""
    """The working directory that overlay needs for writes."""


def overlay_directories(options: Iterable[str]) -> OverlayDirectories:
    """Return the directories in the options of an overlay, given for mounting or shown by mountinfo.

    Raises:
        InvalidArgument: A layer is empty, or a separator is longer than `::`.
    """
    values: dict[str, str] = {}
    lower: list[str] = []
    for key, value in split_parameters(options):
        if key in {"lowerdir+", "datadir+"}:
            lower.append(value or "")
        elif value is not None:
            values[key] = value
    if "lowerdir" in values:
        lower = [path for _, path in split_layers(values["lowerdir"])]
    return OverlayDirectories(
        tuple(lower), unescape(values.get("upperdir", "")), unescape(values.get("workdir", ""))
    )


def unescape(value: str) -> str:
    r"""Return the path that overlay reads from an option's value: a backslash escapes the next character."""
    return re.sub(r"\\(.?)", r"\1", value, flags=re.DOTALL)


def escape(path: str) -> str:
    r"""Return the option's value from which overlay reads the path in `lowerdir`."""
    return re.sub(r"[\\:,]", r"\\\g<0>", path)


def split_layers(lowerdir: str) -> Layers:
    r"""Split `lowerdir` into the parameters that set its layers one by one.

    Args:
        lowerdir: Paths separated by `:`, or by `::` before a data-only layer, with `\:` for a colon in a path
            (Documentation/filesystems/overlayfs.rst).

    Returns:
        The layers. Their paths are unescaped, because the kernel takes these parameters literally.

    Raises:
        InvalidArgument: A layer is empty, or a separator is longer than `::`.
    """
    layers: Layers = []
    separator = ":"
    for match in _LAYER_OR_SEPARATOR.finditer(lowerdir):
        if match["layer"]:
            layers.append(("datadir+" if separator == "::" else "lowerdir+", unescape(match[0])))
            separator = ""
        elif layers and match[0] in (":", "::"):
            separator = match[0]
        else:
            separator = ":"
            break
    if separator:
        raise InvalidArgument(f"lowerdir={lowerdir}: a layer is empty")
    return layers


def format_layers(layers: Layers) -> str:
    """Return the `lowerdir` that `split_layers` splits into these layers."""
    parts = ["::" if key == "datadir+" else ":" for key, _ in layers[1:]]
    return "".join(part + escape(path) for part, (_, path) in zip(["", *parts], layers, strict=True))


def shorten_layers(layers: Layers) -> tuple[str, Layers]:
    """Return the common directory of all layers, and the layers relative to it.

    Only the beginning of the paths is cut off, so links and `..` keep their meaning. The directory is `/` or "" if
    there is no other.
    """
    # os.path.commonpath would lose `//` and `/./`, and with them the place to cut.
    common = os.path.commonprefix([path for _, path in layers])  # noqa: RUF071 - cut at a slash next
    directory = os.path.dirname(common)
    return directory, [(key, path[len(directory) :].strip("/") or ".") for key, path in layers]


def join_layers(upper: str, lowerdir: str | None) -> str:
    r"""Prepend an upper directory to `lowerdir`.

    Args:
        upper: The value of `upperdir`, in which a colon needs no escape.
        lowerdir: The value of `lowerdir`, or None.
    """
    layer = re.sub(r"\\.|:", lambda match: r"\:" if match[0] == ":" else match[0], upper, flags=re.DOTALL)
    return layer if lowerdir is None else f"{layer}:{lowerdir}"
