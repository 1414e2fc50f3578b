"""The entry point of the command `lamina`."""

import atexit
import gc


def main() -> None:
    """Run the command."""
    gc.disable()  # imports create no garbage, and collecting takes a twentieth of the start
    atexit.register(gc.freeze)  # saves as much at exit, when everything is freed
    from lamina.cli.command import lamina
    from lamina.cli.terminal.streams import open_standard_streams

    open_standard_streams()
    lamina(prog_name="lamina")


if __name__ == "__main__":
    main()
