"""Image archives: read and write OCI layouts, as directories and tar files, and the archives of `docker save`.

Archives are not trusted. Nothing is extracted: blobs are read where they are, beneath a descriptor of the
layout's directory or at their offsets in the archive, and are verified while they are copied.
"""

from lamina.images.archive._export import export_images
from lamina.images.archive._import import ArchivedImages, import_images
from lamina.images.archive._open import open_source
from lamina.images.archive._source import Source
from lamina.images.archive._unpacked import MAX_UNCOMPRESSED

__all__ = ["MAX_UNCOMPRESSED", "ArchivedImages", "Source", "export_images", "import_images", "open_source"]
