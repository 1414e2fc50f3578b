"""Apply layers to directories."""

from lamina.layers.applying._apply import Applied, Limits, Whiteouts, apply_layer
from lamina.layers.applying._overlay import remove_idle_whiteouts
from lamina.layers.applying._upper_tree import ParentNeeded

__all__ = ["Applied", "Limits", "ParentNeeded", "Whiteouts", "apply_layer", "remove_idle_whiteouts"]
