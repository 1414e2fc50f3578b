"""Bringing a metastore back: what there is in data roots, and what that, a damaged file and a backup say together.

`lamina metastore` and `lamina doctor` are built on it, and no host needs it.
"""

from lamina.snapshots.recovery._backup import Backup, inspect_copy, pieces, unused, write_backup
from lamina.snapshots.recovery._merge import LeftOut, Merged, Restored, Source
from lamina.snapshots.recovery._rebuild import Places, Rebuilt, rebuild
from lamina.snapshots.recovery._scan import DataRootContents, Watch, is_data_root, scan

__all__ = [
    "Backup",
    "DataRootContents",
    "LeftOut",
    "Merged",
    "Places",
    "Rebuilt",
    "Restored",
    "Source",
    "Watch",
    "inspect_copy",
    "is_data_root",
    "pieces",
    "rebuild",
    "scan",
    "unused",
    "write_backup",
]
