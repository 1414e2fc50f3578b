"""`lamina diagnose` and `lamina doctor`."""
