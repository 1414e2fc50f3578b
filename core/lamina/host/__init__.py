"""The process that holds the plugins: `Host` for any program, `run` for one that is nothing else.

with Host.from_config("/etc/lamina/config.toml") as host:
    overlay: Snapshotter = host.get(PluginType.SNAPSHOTTER, "overlayfs")
"""

from lamina.host._host import Host
from lamina.host._logging import configure_logging
from lamina.host._plan import Prepared, prepare
from lamina.host._process import run

__all__ = ["Host", "Prepared", "configure_logging", "prepare", "run"]
