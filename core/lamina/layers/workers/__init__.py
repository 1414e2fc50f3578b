"""Apply layers in worker processes.

Threads of one process would only take the interpreter's lock from one another. A worker process is started when
it is first needed, applies one layer after another, and ends with the process that started it. It gets the
descriptors of the layer and of the directories, and resolves no path of its own.
"""

from lamina.layers.workers._pool import WorkerApplier

__all__ = ["WorkerApplier"]
