"""lamina's tests."""
