"""The database of a host: one LMDB environment, whose owners share its durable commits."""

from lamina.store._format import shorten
from lamina.store._store import Store

__all__ = ["Store", "shorten"]
