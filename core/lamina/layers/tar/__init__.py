"""Read tar archives: 7th Edition, ustar, pax, GNU and star."""

from lamina.layers.tar._reader import TarReader

__all__ = ["TarReader"]
