"""Click groups that import a command when it is called and suggest the nearest name for an unknown one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from lamina.errdefs import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_OTHER_WORDS: Final = {"list": "ls", "remove": "rm", "delete": "rm", "umount": "unmount"}
"""Names of these commands in other programs."""


class Group(click.Group):
    """A click group that suggests the nearest command for an unknown one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the named command, or fail with a suggestion."""
        word, known = args[0], self.list_commands(ctx)
        if word not in known and not ctx.resilient_parsing:
            other = _OTHER_WORDS.get(word)
            meant = other if other in known else nearest(word, known)
            if meant:
                ctx.fail(f"No such command {word!r}. Did you mean {meant!r}?")
        return super().resolve_command(ctx, args)


class Lazy(NamedTuple):
    """A command that is imported when it is called. A NamedTuple, because attrs would slow down the start."""

    place: str
    """Its location: `<module>:<name>`."""
    summary: str
    """The first sentence of its help."""

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


class LazyGroup(Group):
    """A group whose commands are imported when they are called, not when they are listed."""

    def __init__(self, *args: Any, commands: Mapping[str, Lazy], **kwargs: Any) -> None:
        """Create the group."""
        super().__init__(*args, **kwargs)
        self._lazy = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or return None if there is none of that name."""
        return self._lazy[cmd_name].load() if cmd_name in self._lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands with their summaries."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands and the options of the group."""
        from click.shell_completion import CompletionItem

        names = (name for name in self._lazy if name.startswith(incomplete))
        commands = [CompletionItem(name, help=self._lazy[name].summary) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
