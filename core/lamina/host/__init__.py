"""Run plugins: `Host` inside any program, `run` as a daemon.

with Host.from_config("/etc/lamina/config.toml") as host:
    clock: Clock = host.get("com.example.clock.v1", "local")

A daemon with its own plugins calls `run` with a host that has its own configuration:

run(lambda: Host(lamina.config.load(program="greeter")), announce)
"""

from lamina.errdefs import Error
from lamina.host._host import Host
from lamina.host._logging import configure_logging, takes_colour
from lamina.host._plan import Prepared, prepare
from lamina.host._process import run
from lamina.host._reload import Reloaded

__all__ = ["Error", "Host", "Prepared", "Reloaded", "configure_logging", "prepare", "run", "takes_colour"]
