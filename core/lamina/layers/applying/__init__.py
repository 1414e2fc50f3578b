"""Apply layers to directories."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers.applying._applied import Applied, Limits, ParentNeeded, Whiteouts
    from lamina.layers.applying._apply import apply_layer
    from lamina.layers.applying._overlay import remove_idle_whiteouts

__all__ = ["Applied", "Limits", "ParentNeeded", "Whiteouts", "apply_layer", "remove_idle_whiteouts"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_applied": "Applied Limits ParentNeeded Whiteouts",
        "_apply": "apply_layer",
        "_overlay": "remove_idle_whiteouts",
    },
)
