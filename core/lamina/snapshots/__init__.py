"""The snapshotter contract, implemented by every storage backend for containerd and for use in process.

A snapshotter keeps file trees. `prepare` creates an *active* snapshot (and `view` a read-only *view*) on a
committed parent or on nothing; a *key* names it. `commit` turns an active snapshot into a *committed* one, which
never changes again and can be a parent; a *name* names it. Keys and names share one keyspace.

Worked example, three layers deep::

    mounts = snapshotter.prepare("build", parent="base")
    mount_all(mounts, target)          # write to it
    unmount(target)
    snapshotter.commit("app", "build") # "build" is gone, "app" is there
    snapshotter.view("look", "app")    # read-only
    snapshotter.remove("look")
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.snapshots._contract import Info, Kind, Snapshotter, Usage
    from lamina.snapshots._in_steps import InSteps, StepwiseSnapshotter
    from lamina.snapshots._messages import InfoMessages
    from lamina.snapshots._time import EARLIEST, LATEST, NANOSECONDS, check_time, format_time
    from lamina.snapshots._versioned import Versioned

__all__ = [
    "EARLIEST",
    "LATEST",
    "NANOSECONDS",
    "InSteps",
    "Info",
    "InfoMessages",
    "Kind",
    "Snapshotter",
    "StepwiseSnapshotter",
    "Usage",
    "Versioned",
    "check_time",
    "format_time",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_contract": "Info Kind Snapshotter Usage",
        "_in_steps": "InSteps StepwiseSnapshotter",
        "_messages": "InfoMessages",
        "_time": "EARLIEST LATEST NANOSECONDS check_time format_time",
        "_versioned": "Versioned",
    },
)
