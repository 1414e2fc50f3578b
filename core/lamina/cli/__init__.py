"""The command `lamina`: a module for each command, a package for each group.

The command is the only public API here. `lamina.cli.main` imports a subcommand when it is called.
"""
