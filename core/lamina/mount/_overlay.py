"""Overlay's `lowerdir`: a list of directories in one string."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import attrs

from lamina.errdefs import InvalidArgument
from lamina.mount._options import split_parameters

Layers = list[tuple[str, str]]
"""The parameter, `lowerdir+` or `datadir+`, and the path of each layer, topmost first."""

_LAYER_OR_SEPARATOR = re.compile(r"(?P<layer>(?:\\.|[^:\\]|\\\Z)+)|:+", re.DOTALL)


@attrs.frozen
class OverlayDirectories:
    """What an overlay is made of."""

    lower: tuple[str, ...]
    """The layers, topmost first."""
    upper: str = ""
    """Where what is written goes; "" where nothing can be written."""
    work: str = ""
    """The directory that overlay itself needs for that."""


def overlay_directories(options: Iterable[str]) -> OverlayDirectories:
    """The directories that the options of an overlay name, those to mount it with or those that mountinfo shows.

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
    r"""The path that overlay reads from an option's value: a backslash stands for the character after it."""
    return re.sub(r"\\(.?)", r"\1", value, flags=re.DOTALL)


def escape(path: str) -> str:
    r"""The option's value from which overlay reads that path in `lowerdir`."""
    return re.sub(r"[\\:,]", r"\\\g<0>", path)


def split_layers(lowerdir: str) -> Layers:
    r"""Cut `lowerdir` into the parameters that set its layers one by one.

    Args:
        lowerdir: Its value: paths separated by `:`, or by `::` before a data-only layer, with `\:` for a
            colon in a path (Documentation/filesystems/overlayfs.rst).

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
    """The `lowerdir` that `split_layers` cuts into these layers."""
    parts = ["::" if key == "datadir+" else ":" for key, _ in layers[1:]]
    return "".join(part + escape(path) for part, (_, path) in zip(["", *parts], layers, strict=True))


def shorten_layers(layers: Layers) -> tuple[str, Layers]:
    """The directory that all layers are in, and the layers as seen from there.

    Links and `..` keep their meaning: only what the paths begin with is cut off. The directory is `/` or "" where
    nothing can be.
    """
    # os.path.commonpath would lose `//` and `/./`, and with them the place to cut at.
    common = os.path.commonprefix([path for _, path in layers])  # noqa: RUF071 - cut at a slash next
    directory = os.path.dirname(common)
    return directory, [(key, path[len(directory) :].strip("/") or ".") for key, path in layers]


def join_layers(upper: str, lowerdir: str | None) -> str:
    r"""`lowerdir` with what was the upper directory on top.

    Args:
        upper: The value of `upperdir`, in which a colon needs no escape.
        lowerdir: The value of `lowerdir`, or None.
    """
    layer = re.sub(r"\\.|:", lambda match: r"\:" if match[0] == ":" else match[0], upper, flags=re.DOTALL)
    return layer if lowerdir is None else f"{layer}:{lowerdir}"
