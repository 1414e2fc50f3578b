"""The metastore of the host, and the service that hands out copies of it."""
