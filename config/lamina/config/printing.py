"""Configurations printed, explained and described: what the command `lamina config` is made of.

Apart from `lamina.config`, which a host imports when it starts.
"""

from lamina.config._containerd import ContainerdConfig, Setting, Use, read_containerd
from lamina.config._explain import Explanation, explain
from lamina.config._json_schema import json_schema
from lamina.config._render import render, render_default
from lamina.config._rewrite import Rewritten, replace, rewrite
from lamina.config._tables import effective_tables, inline, json_ready

__all__ = [
    "ContainerdConfig",
    "Explanation",
    "Rewritten",
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
    "replace",
    "rewrite",
]
