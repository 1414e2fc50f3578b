"""The health service, which reports whether the host is serving (grpc/health-checking.md)."""
