"""The label that says which image a snapshot was made from."""

from __future__ import annotations

from typing import Final

BASE: Final = "containerd.io/gc.ref.content.base"
"""The label of a snapshot with the digest of the manifest that it was made from, which garbage collectors keep."""
