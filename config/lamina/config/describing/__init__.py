"""Print, explain and describe configurations, for the command `lamina config`.

Starting a host imports none of this.
"""

from lamina.config.describing._containerd import ContainerdConfig, Setting, Use, read_containerd
from lamina.config.describing._explain import Explanation, explain
from lamina.config.describing._json_schema import json_schema
from lamina.config.describing._render import render_default
from lamina.config.describing._tables import effective_tables, inline, json_ready, render

__all__ = [
    "ContainerdConfig",
    "Explanation",
    "Setting",
    "Use",
    "effective_tables",
    "explain",
    "inline",
    "json_ready",
    "json_schema",
    "read_containerd",
    "render",
    "render_default",
]
