"""Compare two trees, and write what differs as a layer.

What a tree is, and which entries the layer of two trees has, is defined in `docs/layers.md`.
Equal pairs of trees give equal layers, whatever file systems and snapshotters they come from.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers.comparing._change import Change, ChangeKind
    from lamina.layers.comparing._comparison import Comparison, compare, opened_comparison
    from lamina.layers.comparing._trees import Trees, opened_trees

__all__ = ["Change", "ChangeKind", "Comparison", "Trees", "compare", "opened_comparison", "opened_trees"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_change": "Change ChangeKind",
        "_comparison": "Comparison compare opened_comparison",
        "_trees": "Trees opened_trees",
    },
)
