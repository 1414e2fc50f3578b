"""Id-mapped mounts: user and group id maps, the user namespaces that carry them, and the mounts that use them."""
