"""Names of images, in Docker's grammar (distribution's `reference`)."""

from __future__ import annotations

import re
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument

DEFAULT_DOMAIN: Final = "docker.io"
"""The registry of names that have none."""
DEFAULT_TAG: Final = "latest"
"""The tag of names that have neither tag nor digest."""
MAX_NAME: Final = 255
"""Maximum number of characters of a name without tag and digest."""

_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST: Final = r"sha256:[a-f0-9]{64}"
_PATH: Final = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_REFERENCE: Final = rf"(?P<domain>{_DOMAIN})/(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"


@attrs.frozen
class Reference:
    """The parts of the name of an image. `str` joins them to the full name."""

    domain: str
    """The registry: a host, perhaps with a port."""
    path: str
    """The repository of the registry."""
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.domain}/{self.path}"

    @property
    def object(self) -> str:
        """The tag or the digest: what the registry calls the reference of a manifest."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return f"{self.repository}{'@' if self.digest else ':'}{self.object}"


def parse(reference: str) -> Reference:
    """Return the parts of the name of an image, with the registry and the tag that it lacks.

    A name with a tag and a digest loses the tag, as in containerd: the digest suffices.

    Raises:
        InvalidArgument: The text is not the name of an image. The message says why.
    """
    found = _match(reference)
    if found["digest"]:
        return Reference(found["domain"], found["path"], digest=found["digest"])
    return Reference(found["domain"], found["path"], tag=found["tag"] or DEFAULT_TAG)


def normalize(reference: str) -> str:
    """Return the full name of an image: `docker.io/library/debian:12` for `debian:12`.

    Raises:
        InvalidArgument: As `parse`.
    """
    return str(parse(reference))


def normalize_for(reference: str, digest: str) -> str:
    """Return the full name that an image is to get, as `normalize`.

    Raises:
        InvalidArgument: As `parse`; or as `check_digest_in`.
    """
    full = normalize(reference)
    check_digest_in(full, digest)
    return full


def check_digest_in(name: str, digest: str) -> None:
    """Check that a name has no digest, or that of its image.

    Args:
        name: Any name of an image.
        digest: The digest of the image.

    Raises:
        InvalidArgument: The name has another digest.
    """
    found = re.search(f"@({_DIGEST})$", name)
    if found and found[1] != digest:
        raise InvalidArgument(f"image name {name!r}: the image has the digest {digest}: give a tag")


def _match(reference: str) -> re.Match[str]:
    shown = f"image name {reference[:80]!r}"
    if len(reference) > MAX_NAME + 1 + 128 + 1 + 71:  # before any expression is matched
        raise InvalidArgument(f"{shown}…: too long: at most {MAX_NAME} characters are allowed before the tag")
    if re.fullmatch(r"[a-f0-9]{64}", reference):
        raise InvalidArgument(f"{shown}: 64 hexadecimal digits are a digest, not a name")
    domain, path = _split(reference)
    if not (found := re.fullmatch(_REFERENCE, f"{domain}/{path}")):
        raise InvalidArgument(f"{shown}: {_reason(reference, path)}: expected [registry/]name[:tag][@digest]")
    if len(found["domain"]) + 1 + len(found["path"]) > MAX_NAME:
        raise InvalidArgument(f"{shown}…: too long: at most {MAX_NAME} characters are allowed before the tag")
    return found


def _split(reference: str) -> tuple[str, str]:
    """Return the registry and the rest. The first component is a registry if it cannot be part of a path."""
    domain, slash, path = reference.partition("/")
    if not slash or not (domain == "localhost" or domain != domain.lower() or set(domain) & set(".:")):
        domain, path = DEFAULT_DOMAIN, reference
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _reason(reference: str, path: str) -> str:
    if found := re.match("[a-z-]+://", reference):
        return f"it is not a URL: leave out {found[0]}"
    name = re.split("[:@]", path)[0]
    if name != name.lower():
        return "it must be in lower case"
    if "@" in path and not re.search(f"@{_DIGEST}$", path):
        return "only digests of sha256, with 64 hexadecimal digits, are supported"
    return "it is malformed"
