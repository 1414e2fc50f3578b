"""The snapshotter contract: what every storage backend offers, to containerd and in process.

A snapshotter keeps file trees. An *active* snapshot is made by `prepare` (or, read-only, a *view* by `view`)
on a committed parent or on nothing, and is named by a *key*. `commit` turns an active snapshot into a
*committed* one, named by a *name*, which never changes again and can be a parent. Keys and names share one
space.

Worked example, three layers deep::

    mounts = snapshotter.prepare("build", parent="base")
    mount_all(mounts, target)          # write to it
    unmount(target)
    snapshotter.commit("app", "build") # "build" is gone, "app" is there
    snapshotter.view("look", "app")    # read-only
    snapshotter.remove("look")
"""

from lamina.snapshots._contract import Info, Kind, Snapshotter, Usage
from lamina.snapshots._in_steps import InSteps
from lamina.snapshots._messages import InfoMessages
from lamina.snapshots._time import EARLIEST, LATEST, NANOSECONDS, check_time, format_time

__all__ = [
    "EARLIEST",
    "LATEST",
    "NANOSECONDS",
    "InSteps",
    "Info",
    "InfoMessages",
    "Kind",
    "Snapshotter",
    "Usage",
    "check_time",
    "format_time",
]
