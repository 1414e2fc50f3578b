"""The database of a host: one LMDB environment, whose owners share its durable commits."""

from lamina.store._environment import Environment
from lamina.store._format import shorten

__all__ = ["Environment", "shorten"]
