"""Image documents and archives for tests."""

from tests.support.images.documents import CONFIG, DIGEST, INDEX, MANIFEST, Documents, descriptor_of

__all__ = ["CONFIG", "DIGEST", "INDEX", "MANIFEST", "Documents", "descriptor_of"]
