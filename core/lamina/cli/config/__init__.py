"""`lamina config`."""
