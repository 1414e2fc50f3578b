"""Discovery of plugins: from entry points to registrations."""
