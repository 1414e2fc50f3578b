"""`lamina completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lamina.cli.terminal.output import write


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a shell completion script.

    \b
    bash:  lamina completion bash > /etc/bash_completion.d/lamina
    zsh:   lamina completion zsh > /usr/local/share/zsh/site-functions/_lamina
    fish:  lamina completion fish > ~/.config/fish/completions/lamina.fish
    """  # noqa: D301 - click keeps the lines of a paragraph that begins with a backspace
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    root = click.get_current_context().find_root()
    write(script(root.command, {}, "lamina", "_LAMINA_COMPLETE").source())
