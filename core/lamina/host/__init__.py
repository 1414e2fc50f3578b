"""The process that holds the plugins: `Host` for any program, `run` for one that is nothing else.

with Host.from_config("/etc/lamina/config.toml") as host:
    clock: Clock = host.get("com.example.clock.v1", "local")

A daemon of its own, with plugins of its own, is `run` with a host whose configuration is another program's:

run(lambda: Host(lamina.config.load(program="greeter")), announce)
"""

from lamina.errdefs import Error
from lamina.host._host import Host
from lamina.host._logging import configure_logging, takes_colour
from lamina.host._plan import Prepared, prepare
from lamina.host._process import run
from lamina.host._reload import Reloaded

__all__ = ["Error", "Host", "Prepared", "Reloaded", "configure_logging", "prepare", "run", "takes_colour"]
