"""A daemon that greets over HTTP. Languages, greeter and server are plugins."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import Template
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs

from lamina.config import load
from lamina.host import Error, Host, configure_logging, run
from lamina.plugin import InitContext, PluginType, Registration, SkipPlugin, hookimpl

_log = logging.getLogger(__name__)

GREETING = "com.example.greeting.v1"
"""The type of languages. An instance is a template that contains `$name`."""
GREETER = "com.example.greeter.v1"
"""The type of the greeter, which greets in all languages."""


@attrs.frozen
class CustomConfig:
    """Configuration of a custom language."""

    template: str = ""
    """The greeting, with $name in place of the name."""


@attrs.frozen
class GreeterConfig:
    """Configuration of the greeter."""

    language: str = "english"
    """The default language."""


@attrs.frozen
class ServerConfig:
    """Configuration of the HTTP server."""

    address: str = "127.0.0.1"
    """The IP address to listen on."""
    port: int = attrs.field(default=8080, validator=[attrs.validators.ge(0), attrs.validators.le(65535)])
    """The TCP port; 0 for any free port."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register all plugins. The host initialises them in dependency order."""
    yield Registration(
        type=PluginType.SERVER, id="http", requires=(GREETER,), config=ServerConfig, init=init_server
    )
    yield Registration(type=GREETER, id="greeter", requires=(GREETING,), config=GreeterConfig, init=init_greeter)
    yield Registration(type=GREETING, id="english", init=lambda _: "Hello, $name!")
    yield Registration(type=GREETING, id="french", init=lambda _: "Bonjour, $name !")
    yield Registration(type=GREETING, id="custom", config=CustomConfig, init=init_custom)


def init_custom(ic: InitContext[CustomConfig]) -> str:
    """Return the configured template."""
    if not ic.config.template:
        raise SkipPlugin("no template is configured")
    return ic.config.template


def init_greeter(ic: InitContext[GreeterConfig]) -> Greeter:
    """Create the greeter with every language that works."""
    languages = ic.get_by_type(GREETING)
    if ic.config.language not in languages:
        raise ValueError(f"language {ic.config.language!r} is none of {', '.join(languages)}")
    return Greeter(languages, ic.config.language)


def init_server(ic: InitContext[ServerConfig]) -> Server:
    """Create the server. The host starts it after all plugins are initialised."""
    return Server(ic.get_single(GREETER), ic.config.address, ic.config.port)


@attrs.frozen
class Greeter:
    """Greets people."""

    languages: Mapping[str, str]
    default: str

    def greet(self, name: str, language: str = "") -> str:
        """Return a greeting. An unknown language raises KeyError."""
        return Template(self.languages[language or self.default]).safe_substitute(name=name)


class Server:
    """Answers `GET /NAME` and `GET /NAME?LANGUAGE`."""

    def __init__(self, greeter: Greeter, address: str, port: int) -> None:
        """Store the parameters; `start` begins to listen."""
        self.url = ""
        """The URL of the server; "" before `start`."""
        self._greeter = greeter
        self._address = (address, port)
        self._http: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Start listening."""
        self._http = ThreadingHTTPServer(self._address, partial(Handler, self._greeter))
        self.url = f"http://{self._address[0]}:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, name="http").start()

    def close(self) -> None:
        """Stop listening."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers a request."""

    def __init__(self, greeter: Greeter, *request: Any) -> None:
        """Answer the request."""
        self._greeter = greeter
        super().__init__(*request)

    def do_GET(self) -> None:  # http.server requires this name
        """Send a greeting."""
        url = urlsplit(self.path)
        try:
            status, text = 200, self._greeter.greet(unquote(url.path[1:]), url.query)
        except KeyError:
            status, text = 404, f"Greetings are in {', '.join(self._greeter.languages)}."
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 # the name in the base class
        """Log a request with the host's logging."""
        _log.info(format, *arguments)


def main() -> None:
    """Run `greeter serve`."""
    parser = argparse.ArgumentParser(prog="greeter")
    serve = parser.add_subparsers(required=True).add_parser("serve", help="greet until SIGTERM")
    serve.add_argument("file", nargs="?", help="configuration file; /etc/greeter/config.toml by default")
    serve.add_argument("-p", dest="modules", action="append", default=[], help="also load this plugin module")
    options = parser.parse_args()

    def make_host() -> Host:
        config = load(options.file, program="greeter")
        configure_logging(config.host.debug.level, config.host.debug.format)
        return Host(config, options.modules)

    try:
        run(make_host, lambda host: print(f"Greeting on {host.get(PluginType.SERVER, 'http').url}", flush=True))
    except Error as error:
        sys.exit("\n".join(f"greeter: {line}" for line in str(error).splitlines()))
