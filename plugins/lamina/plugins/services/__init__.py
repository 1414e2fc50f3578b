"""What the host offers over gRPC. Each service is described with `lamina.api`; a listener does the transport."""
