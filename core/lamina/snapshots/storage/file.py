"""The whole contents of a metastore's file: read while nobody has it open, changed, and written as a new file."""

from lamina.snapshots.storage._contents import Contents, Counters
from lamina.snapshots.storage._opening import DATA
from lamina.snapshots.storage._reading import read_file
from lamina.snapshots.storage._writing import write_file

__all__ = ["DATA", "Contents", "Counters", "read_file", "write_file"]
