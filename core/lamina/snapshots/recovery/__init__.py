"""Rebuilding a metastore from data roots, its own file, which may be damaged, and a backup.

`lamina metastore` and `lamina doctor` use it; hosts do not.
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
