"""Credentials for registries, and where users keep them."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports
from lamina.registry.credentials._credentials import LOG_IN, Credentials

if TYPE_CHECKING:
    from lamina.registry.credentials._stored import stored_credentials

__all__ = ["LOG_IN", "Credentials", "stored_credentials"]

__getattr__ = lazy_exports(__name__, {"_stored": "stored_credentials"})
