"""Compare two trees, and write what differs as a layer.

What a tree is, and which entries the layer of two trees has, is defined in "The layer of two trees" (`layers.md`).
Equal pairs of trees give equal layers, whatever file systems and snapshotters they come from.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers.comparing._change import Change, ChangeKind
    from lamina.layers.comparing._comparison import Comparison, opened_comparison

__all__ = ["Change", "ChangeKind", "Comparison", "opened_comparison"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_change": "Change ChangeKind",
        "_comparison": "Comparison opened_comparison",
    },
)
