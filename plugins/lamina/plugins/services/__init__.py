"""gRPC services, described with `lamina.api`. The transport is the listener's."""
