"""The version service: what the host was built from."""
