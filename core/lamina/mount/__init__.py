"""The mount record of snapshotters, and the system calls that mount it."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.mount._detached import opened_mount
    from lamina.mount._loop import LoopDevice
    from lamina.mount._mountinfo import MountInfo, lookup, mountinfo
    from lamina.mount._mounting import mount_all, unmount_mounts
    from lamina.mount._options import MountFlag, Options, parse_options
    from lamina.mount._overlay import OverlayDirectories, overlay_directories
    from lamina.mount._readonly import is_read_only, lower_layers, read_only, without_id_map
    from lamina.mount._record import Mount
    from lamina.mount._syscalls import system_calls
    from lamina.mount._temporary import temporary_mount
    from lamina.mount._unmounting import unmount, unmount_all, unmount_recursive
    from lamina.mount.idmap._container_view import has_host_ids, opened_container_view
    from lamina.mount.idmap._maps import Extent, IdMap, IdMaps
    from lamina.mount.idmap._user_namespace import in_user_namespace

__all__ = [
    "Extent",
    "IdMap",
    "IdMaps",
    "LoopDevice",
    "Mount",
    "MountFlag",
    "MountInfo",
    "Options",
    "OverlayDirectories",
    "has_host_ids",
    "in_user_namespace",
    "is_read_only",
    "lookup",
    "lower_layers",
    "mount_all",
    "mountinfo",
    "opened_container_view",
    "opened_mount",
    "overlay_directories",
    "parse_options",
    "read_only",
    "system_calls",
    "temporary_mount",
    "unmount",
    "unmount_all",
    "unmount_mounts",
    "unmount_recursive",
    "without_id_map",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_detached": "opened_mount",
        "_loop": "LoopDevice",
        "_mountinfo": "MountInfo lookup mountinfo",
        "_mounting": "mount_all unmount_mounts",
        "_options": "MountFlag Options parse_options",
        "_overlay": "OverlayDirectories overlay_directories",
        "_readonly": "is_read_only lower_layers read_only without_id_map",
        "_record": "Mount",
        "_syscalls": "system_calls",
        "_temporary": "temporary_mount",
        "_unmounting": "unmount unmount_all unmount_recursive",
        "idmap._container_view": "has_host_ids opened_container_view",
        "idmap._maps": "Extent IdMap IdMaps",
        "idmap._user_namespace": "in_user_namespace",
    },
)
