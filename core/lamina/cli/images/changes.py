"""Options for the configuration of an image."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def config_options(function: F) -> F:
    """Add the options that change the configuration of an image; pass them to a command as `changes`."""

    @functools.wraps(function)
    def command(**parameters: Any) -> Any:
        values = {name: parameters.pop(name) for name in _NAMES}
        return function(changes=_changes(**values), **parameters)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[return-value] # its parameters are those of the options and of the function


def _changes(
    *,
    entrypoint: tuple[str, ...] | None,
    cmd: tuple[str, ...] | None,
    env: tuple[str, ...],
    user: str | None,
    workdir: str | None,
    label: tuple[str, ...],
    expose: tuple[str, ...],
    volume: tuple[str, ...],
    stop_signal: str | None,
    author: str | None,
) -> object:
    from lamina.images import ConfigChanges

    return ConfigChanges(
        entrypoint=entrypoint,
        cmd=cmd,
        env=_pairs(env, "--env"),
        unset_env=_removed(env),
        user=user,
        working_dir=workdir,
        labels=_pairs(label, "--label"),
        unset_labels=_removed(label),
        exposed_ports=tuple(one for one in expose if not one.endswith("-")),
        unset_exposed_ports=_removed(expose),
        volumes=tuple(one for one in volume if not one.endswith("-")),
        unset_volumes=_removed(volume),
        stop_signal=stop_signal,
        author=author,
    )


def _words(_: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return the words of a command line: a JSON array of strings, or else words as in a shell."""
    if text is None:
        return None
    if not text.lstrip().startswith("["):
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            raise click.BadParameter(f"{text!r}: {error}", param=parameter) from error
    import json

    try:
        words = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{text!r} is not valid JSON: {error}", param=parameter) from error
    if not all(isinstance(word, str) for word in words):
        raise click.BadParameter(f"{text!r}: expected an array of strings", param=parameter)
    return tuple(words)


def _is_removed(text: str) -> bool:
    """Return whether an option removes a setting: `NAME-`, as in buildah."""
    return "=" not in text and text.endswith("-")


def _removed(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(text[:-1] for text in texts if _is_removed(text))


def _pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            pairs[name] = value
        elif not _is_removed(text):
            raise click.UsageError(f"{option} {text}: expected {text}=VALUE, or {text}- to remove it")
    return pairs


_OPTIONS = (
    click.option(
        "--entrypoint",
        metavar="COMMAND",
        callback=_words,
        help=(
            "The program that is run, with arguments: words as in a shell, or a JSON array of strings. Removes "
            'the present --cmd. "" for none.'
        ),
    ),
    click.option(
        "--cmd", metavar="COMMAND", callback=_words, help='Its default arguments, in the same form. "" for none.'
    ),
    click.option(
        "--env",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set an environment variable; NAME- removes it. Repeatable.",
    ),
    click.option("--user", metavar="USER[:GROUP]", help="The user, by name or number."),
    click.option("--workdir", metavar="DIR", help="The working directory."),
    click.option("--label", multiple=True, metavar="KEY=VALUE", help="Set a label; KEY- removes it. Repeatable."),
    click.option(
        "--expose",
        multiple=True,
        metavar="PORT[/PROTOCOL]",
        help="Add a port that the image listens on; PORT- removes it. Repeatable.",
    ),
    click.option("--volume", multiple=True, metavar="DIR", help="Add a volume; DIR- removes it. Repeatable."),
    click.option("--stop-signal", metavar="SIGNAL", help="The signal that ends the program, such as SIGTERM."),
    click.option("--author", metavar="TEXT", help="The author of the image."),
)
_NAMES = ("entrypoint", "cmd", "env", "user", "workdir", "label", "expose", "volume", "stop_signal", "author")
