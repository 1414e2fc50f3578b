"""Configuration: files in containerd's format, decoded into attrs classes.

`load` reads a file and its imports; `from_document` takes a dict. Both return a `Config` whose top level is
decoded (`Config.host`). `Config.decode_plugins` decodes the plugins' tables once the plugins are discovered.

`lamina.config.describing` prints and explains configurations, `lamina.config.versions.rewriting` migrates files.
Starting a host imports neither.
"""

from lamina.config._config import Config
from lamina.config._load import from_document, load
from lamina.config._problems import Problem, config_error, dotted
from lamina.config._schema import Debug, HostConfig
from lamina.config.reading._merge import Origin
from lamina.config.versions._migrate import GRPC_SERVER, Migration
from lamina.duration import Duration
from lamina.places import default_config_path, default_drop_ins, default_root, default_state

__all__ = [
    "GRPC_SERVER",
    "Config",
    "Debug",
    "Duration",
    "HostConfig",
    "Migration",
    "Origin",
    "Problem",
    "config_error",
    "default_config_path",
    "default_drop_ins",
    "default_root",
    "default_state",
    "dotted",
    "from_document",
    "load",
]
