"""The calls of a plugin from init to close, with their deadlines and errors."""
