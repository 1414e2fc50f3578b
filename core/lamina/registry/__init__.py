"""Registries: the OCI distribution protocol, version 1.1.

Worked example::

    access = Access(credentials=stored_credentials())
    with Registry("registry.example.com:5000", access) as registry:
        repository = registry.repository("library/debian")
        descriptor = repository.resolve("12")
        document = repository.manifest(descriptor)
        with content.writer(f"layer-{layer.digest}", digest=layer.digest, size=layer.size) as writer:
            repository.fetch(layer, writer)
            writer.commit(size=layer.size, digest=layer.digest)

Nothing that a registry says is trusted: digests and sizes are verified, and everything has a limit. A loopback
address gets plain HTTP, and any other only if `Access.plain_http` says so. Certificates are always verified.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.registry._access import Access, CredentialSource, Limits
    from lamina.registry._registry import Registry
    from lamina.registry._repository import Repository
    from lamina.registry.credentials import Credentials, stored_credentials

__all__ = [
    "Access",
    "CredentialSource",
    "Credentials",
    "Limits",
    "Registry",
    "Repository",
    "stored_credentials",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_access": "Access CredentialSource Limits",
        "_registry": "Registry",
        "_repository": "Repository",
        "credentials": "Credentials stored_credentials",
    },
)
