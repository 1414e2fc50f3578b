"""Standard streams: plain output, progress, errors and exit codes."""
