"""The content store of the host."""
