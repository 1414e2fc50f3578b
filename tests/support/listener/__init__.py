"""gRPC, with and without a library."""
