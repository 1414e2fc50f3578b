"""Metastores that are old, lost or damaged."""
