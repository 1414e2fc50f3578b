"""The listener: every service of the host on a unix socket, over gRPC."""
