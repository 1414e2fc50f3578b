"""Format versions: migrating a configuration that was read, and rewriting its file."""
