"""Reading and writing the whole contents of a metastore file that no process has open."""

from lamina.snapshots.storage._contents import Contents, Counters
from lamina.snapshots.storage._reading import read_file
from lamina.snapshots.storage._writing import write_file
from lamina.store._lmdb import DATA
from lamina.store._startup_checks import CLOSED

__all__ = ["CLOSED", "DATA", "Contents", "Counters", "read_file", "write_file"]
