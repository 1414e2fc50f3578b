"""The labels that snapshotters and commands interpret. `lamina.labels` has the rules for all."""

from __future__ import annotations

from typing import Final

UPPERDIR: Final = "containerd.io/snapshot/overlay.upperdir"
"""The directory with a snapshot's own files, shown by the overlay snapshotter."""
UID_MAPPING: Final = "containerd.io/snapshot/uidmapping"
"""The map of a container's users to users of the host: `container:host:size[,…]`."""
GID_MAPPING: Final = "containerd.io/snapshot/gidmapping"
"""The same map for groups."""
MAX_SIZE: Final = "containerd.io/snapshot/max-size"
"""The size limit of a snapshot in bytes, decimal; a snapshotter may ignore it."""
MOUNT_POINT: Final = "io.lamina.images.mount-point"
"""Label: the directory on which `lamina images mount` mounted a snapshot."""
