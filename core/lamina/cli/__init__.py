"""The command `lamina`: a module for each command, a package for each group.

Nothing here is public API but the command itself. `lamina.cli.main` imports a command when it is called.
"""
