"""Snapshotters for tests."""
