"""Plugin types, and the names of properties in an init context."""

from __future__ import annotations

from typing import Final


class PluginType:
    """The names of containerd's plugin types (containerd `plugins/types.go`), and of lamina's own.

    A type is any string; third parties use their own.
    """

    INTERNAL: Final = "io.containerd.internal.v1"
    RUNTIME: Final = "io.containerd.runtime.v1"
    RUNTIME_V2: Final = "io.containerd.runtime.v2"
    SERVICE: Final = "io.containerd.service.v1"
    GRPC: Final = "io.containerd.grpc.v1"
    TTRPC: Final = "io.containerd.ttrpc.v1"
    SNAPSHOTTER: Final = "io.containerd.snapshotter.v1"
    TASK_MONITOR: Final = "io.containerd.monitor.task.v1"
    CONTAINER_MONITOR: Final = "io.containerd.monitor.container.v1"
    DIFF: Final = "io.containerd.differ.v1"
    METADATA: Final = "io.containerd.metadata.v1"
    CONTENT: Final = "io.containerd.content.v1"
    GC: Final = "io.containerd.gc.v1"
    EVENT: Final = "io.containerd.event.v1"
    LEASE: Final = "io.containerd.lease.v1"
    STREAMING: Final = "io.containerd.streaming.v1"
    TRACING_PROCESSOR: Final = "io.containerd.tracing.processor.v1"
    METRICS: Final = "io.containerd.metrics.v1"
    NRI: Final = "io.containerd.nri.v1"
    TRANSFER: Final = "io.containerd.transfer.v1"
    SANDBOX_STORE: Final = "io.containerd.sandbox.store.v1"
    POD_SANDBOX: Final = "io.containerd.podsandbox.controller.v1"
    SANDBOX_CONTROLLER: Final = "io.containerd.sandbox.controller.v1"
    IMAGE_VERIFIER: Final = "io.containerd.image-verifier.v1"
    WARNING: Final = "io.containerd.warning.v1"
    CRI_SERVICE: Final = "io.containerd.cri.v1"
    SHIM: Final = "io.containerd.shim.v1"
    HTTP_HANDLER: Final = "io.containerd.http.v1"
    SERVER: Final = "io.containerd.server.v1"
    MOUNT_MANAGER: Final = "io.containerd.mount-manager.v1"
    MOUNT_HANDLER: Final = "io.containerd.mount-handler.v1"
    METASTORE: Final = "io.lamina.metastore.v1"


EVERY_TYPE: Final = "*"
"""As the only element of `requires`: all other plugins that are not disabled."""

SERVING_TYPES: Final = frozenset({PluginType.SERVER, PluginType.GRPC, PluginType.TTRPC, PluginType.HTTP_HANDLER})
"""Types of plugins that serve other programs: servers, and the services that they serve."""

ENTRY_POINT_TYPE: Final = "io.lamina.entry-point.v1"
"""The type in the record of a package that failed before it registered a plugin."""

PROPERTY_ROOT_DIR: Final = "io.containerd.plugin.root"
"""`<root>/<URI>`: the plugin's directory for data that survives a reboot."""
PROPERTY_STATE_DIR: Final = "io.containerd.plugin.state"
"""`<state>/<URI>`: the plugin's directory for data that does not."""
PROPERTY_GRPC_ADDRESS: Final = "io.containerd.plugin.grpc.address"
"""Path of the gRPC socket."""
PROPERTY_TTRPC_ADDRESS: Final = "io.containerd.plugin.ttrpc.address"
"""Path of the ttrpc socket."""
