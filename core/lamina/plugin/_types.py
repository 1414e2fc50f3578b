"""The types of plugins that have a name, and the names of an init context's properties."""

from __future__ import annotations

import enum
from typing import Final


class PluginType(enum.StrEnum):
    """containerd's plugin types (containerd `plugins/types.go`), and lamina's own.

    A type is any text: third parties name theirs as they like.
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
"""As the only element of `requires`: every other plugin that is not disabled."""

SERVING_TYPES: Final = frozenset({PluginType.SERVER, PluginType.GRPC, PluginType.TTRPC, PluginType.HTTP_HANDLER})
"""Types of plugins that answer other programs: servers, and what servers serve."""

ENTRY_POINT_TYPE: Final = "io.lamina.entry-point.v1"
"""Type of the record that stands for a package which failed before it said what it registers."""

PROPERTY_ROOT_DIR: Final = "io.containerd.plugin.root"
"""`<root>/<URI>`: where the plugin keeps what survives a restart."""
PROPERTY_STATE_DIR: Final = "io.containerd.plugin.state"
"""`<state>/<URI>`: where the plugin keeps what does not."""
PROPERTY_GRPC_ADDRESS: Final = "io.containerd.plugin.grpc.address"
"""The gRPC socket's path."""
PROPERTY_TTRPC_ADDRESS: Final = "io.containerd.plugin.ttrpc.address"
"""The ttrpc socket's path."""
