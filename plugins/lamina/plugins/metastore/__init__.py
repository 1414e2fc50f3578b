"""The metastore of the host, and the service that sends copies of it."""
