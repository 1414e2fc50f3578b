"""Read tar archives (7th Edition, ustar, pax, GNU and star), and write them (pax)."""

from lamina.layers.tar._reader import TarReader
from lamina.layers.tar._writer import TarWriter

__all__ = ["TarReader", "TarWriter"]
