"""Plugin types, and the names of properties in an init context."""

from __future__ import annotations

import enum
from typing import Final


class PluginType(enum.StrEnum):
    """containerd's plugin types (containerd `plugins/types.go`), and lamina's own.

    A type is any string; third parties use their own.
    """

    INTERNAL = "io.containerd.internal.v1"
    RUNTIME = "io.containerd.runtime.v1"
    RUNTIME_V2 = "io.containerd.runtime.v2"
    SERVICE = "io.containerd.service.v1"
    GRPC = "io.containerd.grpc.v1"
    TTRPC = "io.containerd.ttrpc.v1"
    SNAPSHOTTER = "io.containerd.snapshotter.v1"
    TASK_MONITOR = "io.containerd.monitor.task.v1"
    CONTAINER_MONITOR = "io.containerd.monitor.container.v1"
    DIFF = "io.containerd.differ.v1"
    METADATA = "io.containerd.metadata.v1"
    CONTENT = "io.containerd.content.v1"
    GC = "io.containerd.gc.v1"
    EVENT = "io.containerd.event.v1"
    LEASE = "io.containerd.lease.v1"
    STREAMING = "io.containerd.streaming.v1"
    TRACING_PROCESSOR = "io.containerd.tracing.processor.v1"
    METRICS = "io.containerd.metrics.v1"
    NRI = "io.containerd.nri.v1"
    TRANSFER = "io.containerd.transfer.v1"
    SANDBOX_STORE = "io.containerd.sandbox.store.v1"
    POD_SANDBOX = "io.containerd.podsandbox.controller.v1"
    SANDBOX_CONTROLLER = "io.containerd.sandbox.controller.v1"
    IMAGE_VERIFIER = "io.containerd.image-verifier.v1"
    WARNING = "io.containerd.warning.v1"
    CRI_SERVICE = "io.containerd.cri.v1"
    SHIM = "io.containerd.shim.v1"
    HTTP_HANDLER = "io.containerd.http.v1"
    SERVER = "io.containerd.server.v1"
    MOUNT_MANAGER = "io.containerd.mount-manager.v1"
    MOUNT_HANDLER = "io.containerd.mount-handler.v1"
    METASTORE = "io.lamina.metastore.v1"


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
