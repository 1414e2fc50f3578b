"""The differ `walking`, as a plugin."""
