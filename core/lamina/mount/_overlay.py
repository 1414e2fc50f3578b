"""Overlay's `lowerdir`: a list of directories in one string."""

from __future__ import annotations

import re

from lamina.errdefs import InvalidArgument

_LAYER_OR_SEPARATOR = re.compile(r"(?P<layer>(?:\\.|[^:\\]|\\\Z)+)|:+", re.DOTALL)


def unescape(value: str) -> str:
    r"""The path that overlay reads from an option's value: a backslash stands for the character after it."""
    return re.sub(r"\\(.?)", r"\1", value, flags=re.DOTALL)


def split_layers(lowerdir: str) -> list[tuple[str, str]]:
    r"""Cut `lowerdir` into the parameters that set its layers one by one.

    Args:
        lowerdir: Its value: paths separated by `:`, or by `::` before a data-only layer, with `\:` for a
            colon in a path (Documentation/filesystems/overlayfs.rst).

    Returns:
        (`lowerdir+` or `datadir+`, path) for each layer, topmost first. The paths are unescaped, because the
        kernel takes these parameters literally.

    Raises:
        InvalidArgument: A layer is empty, or a separator is longer than `::`.
    """
    layers: list[tuple[str, str]] = []
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


def join_layers(upper: str, lowerdir: str | None) -> str:
    r"""`lowerdir` with what was the upper directory on top.

    Args:
        upper: The value of `upperdir`, in which a colon needs no escape.
        lowerdir: The value of `lowerdir`, or None.
    """
    layer = re.sub(r"\\.|:", lambda match: r"\:" if match[0] == ":" else match[0], upper, flags=re.DOTALL)
    return layer if lowerdir is None else f"{layer}:{lowerdir}"
