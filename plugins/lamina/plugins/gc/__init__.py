"""Collects what nothing refers to: when a client asks, and in intervals."""
