"""Configuration files as tables: parsing, key positions, merging and decoding."""
