"""An engine over pygrpc-native."""

from lamina.plugins.servers.grpc.engines.native._engine import NativeEngine

__all__ = ["NativeEngine"]
