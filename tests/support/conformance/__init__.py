"""Faults that the conformance suite must notice."""
