"""The command `lamina`. Each subcommand is a module, imported when it is called."""
