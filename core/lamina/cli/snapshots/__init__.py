"""`lamina snapshots`."""
