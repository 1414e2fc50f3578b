"""Groups of commands, which import one when it is called, and what they say of one that there is not."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from lamina.errdefs import nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_OTHER_WORDS: Final = {"list": "ls", "remove": "rm", "delete": "rm", "umount": "unmount"}
"""What other programs call commands of these names."""


class Group(click.Group):
    """Commands. Of one that there is not, the nearest is named."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was asked for."""
        word, known = args[0], self.list_commands(ctx)
        if word not in known and not ctx.resilient_parsing:
            other = _OTHER_WORDS.get(word)
            meant = other if other in known else nearest(word, known)
            if meant:
                ctx.fail(f"No such command {word!r}. Did you mean {meant!r}?")
        return super().resolve_command(ctx, args)


class Lazy(NamedTuple):
    """A command that is imported when it is called; a tuple, as nothing else on the way to it needs attrs."""

    place: str
    """Where it is: `<module>:<name>`."""
    summary: str
    """The first sentence of its help."""

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


class LazyGroup(Group):
    """Commands that are imported when they are called, and not for the list of them."""

    def __init__(self, *args: Any, commands: Mapping[str, Lazy], **kwargs: Any) -> None:
        """Make a group.

        Args:
            args: As for `click.Group`.
            commands: By name, in the order of the list.
            kwargs: As for `click.Group`.
        """
        super().__init__(*args, **kwargs)
        self._lazy = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one; None where there is none of the name."""
        return self._lazy[cmd_name].load() if cmd_name in self._lazy else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.summary) for name, lazy in self._lazy.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Those whose names begin so, and options of the group."""
        from click.shell_completion import CompletionItem

        names = (name for name in self._lazy if name.startswith(incomplete))
        commands = [CompletionItem(name, help=self._lazy[name].summary) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
