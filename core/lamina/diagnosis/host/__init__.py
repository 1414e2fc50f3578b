"""Diagnosis of the host that a configuration describes, running or not.

For commands only: plugins use `lamina.diagnosis`.
"""
