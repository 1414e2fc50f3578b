"""lamina as a process of a test, and its command line."""
