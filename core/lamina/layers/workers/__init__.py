"""Apply layers and compare trees in worker processes.

Threads of one process would only take the interpreter's lock from one another. A worker process is started when
it is first needed, serves one call after another, and ends with the process that started it. It gets the
descriptors of layers and directories, and resolves no path of its own; layers that it writes come back over its
socket.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers.workers._pool import WorkerDiffer

__all__ = ["WorkerDiffer"]

__getattr__ = lazy_exports(__name__, {"_pool": "WorkerDiffer"})
