"""Image documents and archives for tests."""

from tests.support.images.documents import CONFIG, DIGEST, INDEX, MANIFEST, Documents, descriptor_of
from tests.support.images.names import Images

__all__ = ["CONFIG", "DIGEST", "INDEX", "MANIFEST", "Documents", "Images", "descriptor_of"]
