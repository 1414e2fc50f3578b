"""Configuration files as tables: parsing, key positions, merging and decoding."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.config.reading._positions import key_lines, parse_key

__all__ = ["key_lines", "parse_key"]

__getattr__ = lazy_exports(__name__, {"_positions": "key_lines parse_key"})
