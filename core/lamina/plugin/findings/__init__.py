"""Findings about a plugin for `lamina diagnose` and `lamina doctor`."""
