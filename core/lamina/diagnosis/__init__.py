"""Diagnosis of this machine, for `lamina diagnose` and for plugins.

Each function checks one thing and reports it as `lamina.plugin.Finding`. None changes anything. What this user may
not inspect is a finding too, not an error.
"""

from lamina.diagnosis._directories import data_root, directory, group_name, nearest_existing, ownership
from lamina.diagnosis._features import file_system, kernel
from lamina.diagnosis._kernel_log import kernel_log
from lamina.diagnosis._locks import lock, lock_holder
from lamina.diagnosis._privileges import may_mount, privileges
from lamina.diagnosis._process import AS_ROOT, Process, process, processes_named, user_name
from lamina.diagnosis._remedies import mount_remedy
from lamina.diagnosis._trees import snapshot_mounts

__all__ = [
    "AS_ROOT",
    "Process",
    "data_root",
    "directory",
    "file_system",
    "group_name",
    "kernel",
    "kernel_log",
    "lock",
    "lock_holder",
    "may_mount",
    "mount_remedy",
    "nearest_existing",
    "ownership",
    "privileges",
    "process",
    "processes_named",
    "snapshot_mounts",
    "user_name",
]
