"""Snapshotters."""
