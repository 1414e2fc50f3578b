"""Configuration: containerd's file format, read into attrs classes.

`load` reads a file and its imports, `from_document` takes a dict. Both give a `Config`: the top level
decoded (`Config.host`), the plugins' tables to be decoded once it is known which plugins there are.
"""

from lamina.config._config import Config, from_document, load
from lamina.config._duration import Duration
from lamina.config._merge import Origin
from lamina.config._migrate import GRPC_SERVER
from lamina.config._problems import Problem, dotted
from lamina.config._render import render_default
from lamina.config._schema import (
    Debug,
    HostConfig,
    ProxyPlugin,
    default_config_path,
    default_root,
    default_state,
)

__all__ = [
    "GRPC_SERVER",
    "Config",
    "Debug",
    "Duration",
    "HostConfig",
    "Origin",
    "Problem",
    "ProxyPlugin",
    "default_config_path",
    "default_root",
    "default_state",
    "dotted",
    "from_document",
    "load",
    "render_default",
]
