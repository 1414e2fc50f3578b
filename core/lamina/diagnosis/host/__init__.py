"""Diagnosis of the host that a configuration describes, running or not.

Imported by commands alone: a plugin diagnoses itself with `lamina.diagnosis`.
"""
