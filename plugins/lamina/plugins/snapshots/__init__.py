"""The built-in snapshotters."""
