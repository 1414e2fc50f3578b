"""Images by the names that people type."""

from __future__ import annotations

from lamina.errdefs import InvalidArgument, NotFound, nearest
from lamina.images._store import Image, ImageStore
from lamina.images.references import normalize


def find_image(images: ImageStore, name: str) -> Image:
    """Return the image of a name, or of its full form: `debian:12` is `docker.io/library/debian:12`.

    Raises:
        NotFound: There is no such image. The message names the most similar one.
    """
    for form in dict.fromkeys((name, _full(name))):
        try:
            return images.get(form)
        except NotFound:
            continue
    known = [image.name for image in images.list()]
    like = nearest(_full(name), known)
    hint = f"did you mean {like}?" if like else "lamina images ls lists those that exist"
    raise NotFound(f"no image {name!r}: {hint}")


def _full(name: str) -> str:
    """Return the full form of a name; a name in another form stays as it is, since any text can name an image."""
    try:
        return normalize(name)
    except InvalidArgument:
        return name
