"""An engine over grpcio."""

from lamina.plugins.servers.grpc.engines.grpcio._engine import GrpcioEngine

__all__ = ["GrpcioEngine"]
