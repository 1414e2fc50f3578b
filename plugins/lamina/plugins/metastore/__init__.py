"""The metastore of the host."""
