"""Blobs by digest: what images consist of, stored once and verified while it is written."""

from lamina.content._descriptor import Descriptor

__all__ = ["Descriptor"]
