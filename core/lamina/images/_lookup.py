"""Images by the names that people type."""

from __future__ import annotations

from lamina.errdefs import InvalidArgument, NotFound, nearest
from lamina.images._store import Image, ImageStore
from lamina.images.references import normalize


def find_image(images: ImageStore, name: str) -> Image:
    """Return the image of a name, or of its full form: `debian:12` is `docker.io/library/debian:12`.

    A digest, alone or after a name and `@`, finds an image that has it, under any tag.

    Raises:
        NotFound: There is no such image. The message names the most similar one.
    """
    for form in dict.fromkeys((name, _full(name))):
        try:
            return images.get(form)
        except NotFound:
            continue
    known = list(images.list())
    for image in known:
        if _has_digest(image, name):
            return image
    names = {_short(image.name): image.name for image in known}
    like = names.get(nearest(_short(name), names) or "")
    hint = f"did you mean {like}?" if like else "lamina images ls lists those that exist"
    raise NotFound(f"no image {name!r}: {hint}")


def _full(name: str) -> str:
    """Return the full form of a name; a name in another form stays as it is, since any text can name an image."""
    try:
        return normalize(name)
    except InvalidArgument:
        return name


def _short(name: str) -> str:
    """Return a name without what completion adds, which makes all names similar."""
    return name.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")


def _has_digest(image: Image, name: str) -> bool:
    """Return whether an image is the one of `sha256:…` or `name@sha256:…`."""
    repository, _, digest = name.rpartition("@")
    if digest != image.target.digest:
        return False
    return not repository or _repository(_full(repository)) == _repository(image.name)


def _repository(name: str) -> str:
    """Return a full name without its tag or digest."""
    path = name.partition("@")[0]
    head, slash, last = path.rpartition("/")
    return head + slash + last.partition(":")[0]
