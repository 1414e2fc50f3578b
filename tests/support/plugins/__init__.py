"""Hosts and plugins in the test's own process."""
