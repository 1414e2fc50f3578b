"""Credentials for registries, and where users keep them."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports
from lamina.registry.credentials._credentials import Credentials

if TYPE_CHECKING:
    from lamina.registry.credentials._docker_config import docker_credentials

__all__ = ["Credentials", "docker_credentials"]

__getattr__ = lazy_exports(__name__, {"_docker_config": "docker_credentials"})
