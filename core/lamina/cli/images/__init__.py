"""`lamina images`."""
