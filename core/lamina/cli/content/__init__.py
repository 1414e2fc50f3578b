"""`lamina content`."""
