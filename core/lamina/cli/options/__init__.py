"""Options and environment variables that several commands share."""
