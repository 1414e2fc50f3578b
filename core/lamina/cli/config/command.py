"""`lamina config`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Unpack

import attrs
import click

from lamina.cli.groups import Group
from lamina.cli.options.settings import (
    Overrides,
    file_argument,
    file_option,
    modules_option,
    override_options,
    prepared,
    tell_left_out,
    tell_warnings,
)
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import json_option, one_line, write, write_json, write_table
from lamina.config import HostConfig, Origin, Problem, config_error, default_config_path, load
from lamina.config.describing import (
    Explanation,
    Setting,
    Use,
    effective_tables,
    explain,
    inline,
    json_ready,
    json_schema,
    read_containerd,
    render,
    render_default,
)
from lamina.config.versions.rewriting import replace, rewrite
from lamina.diagnosis.host.names import snapshotter_names
from lamina.errdefs import ConfigError, NoInstance
from lamina.host import Prepared
from lamina.plugin import Registration, Registry, discover


@click.group(cls=Group)
def config() -> None:
    """Look at configurations. No host needs to run.

    Commands take the same options and environment variables as `lamina serve`, and speak of the configuration that
    it would have with them.
    """


@config.command()
def default() -> None:
    """Print what holds where no file says otherwise, with the settings of every installed plugin."""
    found = discover()
    tell_left_out(found)
    text = render_default(_schemas(found.registry), HostConfig())
    write(text.removesuffix("\n"))


@config.command()
@file_option
@override_options
@json_option
def dump(file: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Print all that holds: files, environment, options and, for the rest, defaults, as one file."""
    found = prepared(file, overrides)
    tell_warnings(found.warnings)
    tables = effective_tables(found.config, found.configs)
    if as_json:
        write_json(json_ready(tables))
    else:
        write(render(tables).removesuffix("\n"))


@config.command()
@file_argument
@click.option(
    "--containerd", metavar="FILE", help="Tell what a configuration of containerd's would mean to lamina."
)
@override_options
@json_option
def check(file: str | None, containerd: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Tell everything that is wrong with a configuration. The exit code is 1 if anything is."""
    try:
        if containerd is not None:
            return _compare(containerd, prepared(file, overrides), as_json)
        found = prepared(file, overrides)
        _check_required(found)
        if found.dangling:
            raise config_error(found.dangling)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [attrs.asdict(problem) for problem in error.problems if isinstance(problem, Problem)]
        write_json({"problems": problems, "warnings": []})
        sys.exit(FAILURE)
    if as_json:
        write_json({"problems": [], "warnings": found.warnings})
    else:
        tell_warnings(found.warnings)
        write(f"{found.config.file or 'the defaults'}: in order")
    return None


def _compare(path: str, found: Prepared, as_json: bool) -> None:
    """Tell what containerd's settings would mean."""
    registry = found.plan.discovery.registry
    names = {name: f"snapshotter {id_}" for name, id_ in snapshotter_names(found).items()}
    theirs = read_containerd(path, _schemas(registry), _proxies(registry), address=found.address, names=names)
    if as_json:
        write_json(json_ready(attrs.asdict(theirs)))
        return
    tell_warnings(map(str, theirs.unread))
    write(f"{', '.join(theirs.files)} (version {theirs.version})")
    for use in Use:
        settings = [setting for setting in theirs.settings if setting.use is use]
        if settings:
            write(f"\n{str(use)[0].upper()}{str(use)[1:]}:")
            rows = [(_place(one), one.key, _short(one.value), one.note) for one in settings]
            write_table(("WHERE", "KEY", "VALUE", "NOTE"), rows)


def _place(setting: Setting) -> str:
    return os.path.basename(setting.file) + ("" if setting.line is None else f":{setting.line}")


def _short(value: object) -> str:
    """A value on part of a line."""
    return f"({len(value)} settings)" if isinstance(value, dict) else inline(value)


@config.command()
@file_argument
@click.option("--in-place", is_flag=True, help="Replace the file, instead of printing what it would be.")
@modules_option
def migrate(file: str | None, in_place: bool, modules: Sequence[str]) -> None:
    """Print a file in the newest format version. Comments and order stay; only what must change changes.

    What the file imports is left alone, and told if it is older.
    """
    found = load(file, defer=True)
    path = str(found.file or file or default_config_path())
    host = found.host
    registrations = discover(modules, host.disabled_distributions, host.disabled_plugins).registry
    rewritten = rewrite(path, {one.uri: one.migrate for one in registrations if one.migrate is not None})
    tell_warnings(rewritten.warnings)
    tell_warnings(f"{name} is of version {version}, too" for name, version in found.older_files if name != path)
    if not in_place:
        write(rewritten.text.removesuffix("\n"))
    elif rewritten.changed:
        replace(path, rewritten.text)
        write(f"{path}: migrated")
    else:
        write(f"{path}: nothing to migrate")


@config.command("explain")
@click.argument("key", default="")
@file_option
@override_options
@json_option
def explain_(key: str, file: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Say of a setting what it is, who set it, what it is by default, and what it means.

    KEY is a dotted key as in TOML, such as debug.level or io.containerd.server.v1.grpc.address. Of a table, each
    setting in it is explained; without a key, all.
    """
    found = prepared(file, overrides)
    tables = effective_tables(found.config, found.configs)
    registry = found.plan.discovery.registry
    explanation = explain(found.config, tables, json_schema(_schemas(registry), _proxies(registry)), key)
    if as_json:
        write_json(_as_json(explanation))
    else:
        write("\n\n".join("\n".join(lines) for lines in _blocks(explanation)))


@config.command()
@modules_option
def schema(modules: Sequence[str]) -> None:
    """Print a JSON Schema of configuration files, for editors, with the settings of every installed plugin."""
    found = discover(modules)
    tell_left_out(found)
    write_json(json_schema(_schemas(found.registry), _proxies(found.registry)))


def _check_required(found: Prepared) -> None:
    """Do nothing if every required plugin is there.

    Raises:
        ConfigError: One is not.
    """
    try:
        found.plan.check_presence()
    except NoInstance as error:
        place = found.config.origin("required_plugins") or Origin("", None)
        raise config_error([Problem(place.name, "required_plugins", place.line, str(error))]) from error


def _schemas(registrations: Iterable[Registration[Any]]) -> dict[str, type | None]:
    """The classes of plugins' tables, by URI."""
    return {one.uri: one.config for one in registrations}


def _proxies(registry: Registry) -> dict[str, type]:
    """Return the class of a table in `[proxy_plugins]` by the value of its key `type`."""
    return {name: one.config for name, one in registry.proxy_types.items()}


def _as_json(explanation: Explanation) -> dict[str, Any]:
    return {
        "key": explanation.key,
        "value": json_ready(explanation.value),
        "default": json_ready(explanation.default),
        "set_by": explanation.origin and attrs.asdict(explanation.origin),
        "type": explanation.type,
        "meaning": explanation.meaning,
        "parts": [_as_json(part) for part in explanation.parts],
    }


def _blocks(explanation: Explanation) -> Iterator[list[str]]:
    """The lines about a setting, or about a table and then about each setting in it."""
    settings = list(explanation.settings())
    if settings != [explanation]:
        yield [explanation.key or "The whole configuration", *_indented(explanation.meaning)]
    for one in settings:
        is_set = "is not set" if one.value is None else f"= {inline(one.value)}"
        yield [
            one_line(f"{one.key} {is_set}"),
            *_indented(one.meaning),
            *(f"  {name:<9}{one_line(text)}" for name, text in _facts(one)),
        ]


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    if explanation.parts:  # an array whose elements come from several places
        for part in explanation.parts:
            yield "set by", f"{part.origin}: {inline(part.value)}"
    else:
        yield "set by", str(explanation.origin or "nobody: the default holds")
    yield "default", "none" if explanation.default is None else inline(explanation.default)
    yield "type", explanation.type


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in text.splitlines())
