"""The version service: the version of the host."""
