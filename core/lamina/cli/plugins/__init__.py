"""`lamina plugins`."""
