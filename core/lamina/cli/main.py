"""The entry point of the command `lamina`."""

import atexit
import gc
import signal
import sys


def main() -> None:
    """Run the command."""
    gc.disable()  # imports create no garbage, and collecting takes a twentieth of the start
    atexit.register(gc.freeze)  # saves as much at exit, when everything is freed
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until there is work to undo, and after it, an interrupt ends the process, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1:2] == ["serve"]:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it has not read the configuration that it would reload
    from lamina.cli.command import lamina
    from lamina.cli.terminal.streams import open_standard_streams

    open_standard_streams()
    lamina(prog_name="lamina")


if __name__ == "__main__":
    main()
