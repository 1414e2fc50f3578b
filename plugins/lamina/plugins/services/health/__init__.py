"""The health service: whether the host is serving (grpc/health-checking.md)."""
