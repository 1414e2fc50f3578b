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
    print_failed_plugins,
    print_warnings,
)
from lamina.cli.terminal.errors import FAILURE
from lamina.cli.terminal.output import json_implied, json_option, one_line, write, write_json, write_table
from lamina.config import HostConfig, Origin, Problem, config_error, default_config_path, dotted, load
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
from lamina.errdefs import ConfigError
from lamina.host import Prepared
from lamina.plugin import Registration, Registry, discover


@click.group(cls=Group)
def config() -> None:
    """Check, print, explain and migrate configurations. No host needs to run.

    Those that read a configuration take the options and environment variables of `lamina serve`, and use the one
    that results.
    """


@config.command()
def default() -> None:
    """Print the defaults, including those of every installed plugin."""
    found = discover()
    print_failed_plugins(found)
    text = render_default(_schemas(found.registry), HostConfig())
    write(text.removesuffix("\n"))


@config.command()
@file_option
@override_options
@json_option
def dump(file: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Print the effective configuration: files, overrides and defaults."""
    found = prepared(file, overrides)
    print_warnings(found.warnings)
    tables = effective_tables(found.config, found.configs)
    if as_json:
        write_json(json_ready(tables))
    else:
        write(render(tables).removesuffix("\n"))


@config.command()
@file_argument
@click.option(
    "--containerd",
    metavar="FILE",
    type=click.Path(readable=False),
    help="Report how lamina would interpret this containerd configuration.",
)
@override_options
@json_option
def check(file: str | None, containerd: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Report all problems of a configuration. Exits with 1 if there are any."""
    warnings: Sequence[str] = ()
    try:
        if containerd is not None:
            return _compare(containerd, prepared(file, overrides), as_json)
        found = prepared(file, overrides, defer=True)
        warnings = found.ignored
        if not as_json:
            print_warnings(warnings)
        if problems := [*found.problems, *_missing(found), *found.dangling]:
            raise config_error(problems)
    except ConfigError as error:
        if not as_json:
            raise
        documents = [_document(problem) for problem in error.problems if isinstance(problem, Problem)]
        write_json({"Problems": documents, "Warnings": warnings})
        sys.exit(FAILURE)
    if as_json:
        write_json({"Problems": [], "Warnings": warnings})
    else:
        write(f"{found.config.file or 'the defaults'}: valid")
    return None


def _compare(path: str, found: Prepared, as_json: bool) -> None:
    """Print how lamina would interpret containerd's settings."""
    registry = found.plan.discovery.registry
    names = {name: f"snapshotter {id_}" for name, id_ in snapshotter_names(found).items()}
    theirs = read_containerd(path, _schemas(registry), _proxies(registry), address=found.address, names=names)
    if as_json:
        documents = [{**_document(one), "Value": json_ready(one.value)} for one in theirs.settings]
        write_json({**_document(theirs), "Settings": documents, "Unread": list(map(_document, theirs.unread))})
        return
    print_warnings(map(str, theirs.unread))
    write(f"{', '.join(theirs.files)} (version {theirs.version})")
    for use in Use:
        settings = [setting for setting in theirs.settings if setting.use is use]
        if settings:
            write(f"\n{str(use)[0].upper()}{str(use)[1:]}:")
            rows = [(_place(one), one.key, _short(one.value), one.note) for one in settings]
            write_table(("WHERE", "KEY", "VALUE", "NOTE"), rows, whole=2)


def _place(setting: Setting) -> str:
    return os.path.basename(setting.file) + ("" if setting.line is None else f":{setting.line}")


def _short(value: object) -> str:
    """Format a value on one line, a table as the number of its settings."""
    if isinstance(value, dict):
        return f"({len(value)} {'setting' if len(value) == 1 else 'settings'})"
    return inline(value)


@config.command()
@file_argument
@click.option("--in-place", is_flag=True, help="Replace the file instead of printing the result.")
@modules_option
def migrate(file: str | None, in_place: bool, modules: Sequence[str]) -> None:
    """Print a file in the current format version, with its comments.

    Only what must change changes. Imported files are left alone; older ones are reported.
    """
    found = load(file, defer=True)
    path = str(found.file or file or default_config_path())
    host = found.host
    registrations = discover(modules, host.disabled_distributions, host.disabled_plugins).registry
    rewritten = rewrite(path, {one.uri: one.migrate for one in registrations if one.migrate is not None})
    print_warnings(rewritten.warnings)
    print_warnings(f"{name} is also of version {version}" for name, version in found.older_files if name != path)
    if not in_place:
        write(rewritten.text.removesuffix("\n"))
    elif rewritten.changed:
        replace(path, rewritten.text)
        write(f"{path}: migrated")
    else:
        write(f"{path}: already current")


@config.command("explain")
@click.argument("key", default="")
@file_option
@override_options
@json_option
def explain_(key: str, file: str | None, as_json: bool, **overrides: Unpack[Overrides]) -> None:
    """Explain a setting: value, origin, default and meaning.

    KEY is a dotted TOML key, such as debug.level or io.containerd.server.v1.grpc.address. The id of a plugin, such
    as overlayfs, stands for its URI. For a table, each of its settings is explained; without KEY, all of them.
    """
    found = prepared(file, overrides)
    tables = effective_tables(found.config, found.configs)
    registry = found.plan.discovery.registry
    explanation = explain(found.config, tables, json_schema(_schemas(registry), _proxies(registry)), key)
    if as_json:
        write_json(_explanation_document(explanation))
    else:
        write("\n\n".join("\n".join(lines) for lines in _blocks(explanation)))


@config.command()
@modules_option
@json_implied
def schema(modules: Sequence[str]) -> None:
    """Print a JSON Schema for editors, including installed plugins."""
    found = discover(modules)
    print_failed_plugins(found)
    write_json(json_schema(_schemas(found.registry), _proxies(found.registry)))


def _missing(found: Prepared) -> Iterator[Problem]:
    """Yield a problem for each required plugin that does not exist."""
    missing = found.plan.missing()
    for index, uri in enumerate(found.config.host.required_plugins):
        if uri in missing:
            path = ("required_plugins", index)
            place = found.config.origin_of(path) or Origin("", None)
            yield Problem(place.name, dotted(path), place.line, missing[uri])


def _schemas(registrations: Iterable[Registration[Any]]) -> dict[str, type | None]:
    """Return the configuration classes of plugins by URI."""
    return {one.uri: one.config for one in registrations}


def _proxies(registry: Registry) -> dict[str, type]:
    """Return the class of a table in `[proxy_plugins]` by the value of its key `type`."""
    return {name: one.config for name, one in registry.proxy_types.items()}


def _document(record: Problem | attrs.AttrsInstance) -> dict[str, Any]:
    """Return a record as a JSON object, with keys as in all of lamina's JSON."""
    fields = record._asdict() if isinstance(record, Problem) else attrs.asdict(record, recurse=False)
    return {"".join(word.capitalize() for word in name.split("_")): value for name, value in fields.items()}


def _explanation_document(explanation: Explanation) -> dict[str, Any]:
    origin = explanation.origin
    return {
        "Key": explanation.key,
        "Value": json_ready(explanation.value),
        "Default": json_ready(explanation.default),
        "SetBy": origin and {"Name": origin.name, "Line": origin.line},
        "Type": explanation.type,
        "Meaning": explanation.meaning,
        "Parts": [_explanation_document(part) for part in explanation.parts],
    }


def _blocks(explanation: Explanation) -> Iterator[list[str]]:
    """Yield the lines about a setting, or about a table and then about each of its settings."""
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
    if explanation.parts:  # an array whose elements were set in several places
        for part in explanation.parts:
            yield "set by", f"{part.origin}: {inline(part.value)}"
    else:
        yield "set by", str(explanation.origin or "nothing: this is the default")
    yield "default", "none" if explanation.default is None else inline(explanation.default)
    yield "type", explanation.type


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}".rstrip() for line in text.splitlines())
