"""Credentials for registries, and where users keep them."""

from lamina.registry.credentials._credentials import Credentials

__all__ = ["Credentials"]
