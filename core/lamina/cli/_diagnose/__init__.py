"""`lamina diagnose`: the command, and what it must ask the configuration or a running host."""
