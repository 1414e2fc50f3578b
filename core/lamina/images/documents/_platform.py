"""Platforms of images: operating system, architecture and variant, as containerd's `platforms` compares them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final, Self

import attrs

from lamina.errdefs import InvalidArgument, nearest
from lamina.images.documents._fields import Fields

_SYSTEMS: Final = frozenset(
    {
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "illumos",
        "ios",
        "js",
        "linux",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    }
)
"""The operating systems that a specifier may name alone (Go's GOOS)."""
_ARCHITECTURES: Final = frozenset(
    {
        "386",
        "amd64",
        "arm",
        "arm64",
        "loong64",
        "mips",
        "mips64",
        "mips64le",
        "mipsle",
        "ppc64",
        "ppc64le",
        "riscv64",
        "s390x",
        "wasm",
    }
)
"""The architectures that a specifier may name alone (Go's GOARCH)."""
_PART: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""An operating system, an architecture or a variant."""
_SYNONYMS: Final[Mapping[str, tuple[str, str]]] = {
    "i386": ("386", ""),
    "i686": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5tel": ("arm", "v5"),
    "armv8l": ("arm", "v8"),
    "loongarch64": ("loong64", ""),
}
"""Debian's and the kernel's names, as Go's architecture and variant."""
_DEFAULT_VARIANTS: Final[Mapping[str, str]] = {"amd64": "v1", "arm64": "v8"}
"""The variants that are meant where none is named, and that are left out. For arm, v7 is meant, and kept."""


@attrs.frozen
class Platform:
    """The platform that an image runs on (OCI image spec, `image-index.md`, `platform`)."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    """Of Windows. It has no part in comparisons."""

    @classmethod
    def parse(cls, specifier: str) -> Self:
        """Parse `os/architecture[/variant]`. If one of the first two is left out, it is the host's.

        Raises:
            InvalidArgument: The text is not a platform, or names no known one.
        """
        parts = specifier.split("/")
        if len(parts) > 3 or not all(re.fullmatch(_PART, part) for part in parts):
            raise InvalidArgument(f"platform {specifier[:64]!r}: expected os/architecture[/variant]: linux/arm64")
        if len(parts) > 1:
            return cls(*parts).normalized()
        host = cls.host()
        if parts[0].lower() in _SYSTEMS:
            return attrs.evolve(host, os=parts[0].lower())
        platform = cls(host.os, parts[0]).normalized()
        if platform.architecture not in _ARCHITECTURES:
            hint = nearest(parts[0].lower(), (*_SYSTEMS, *_ARCHITECTURES, *_SYNONYMS))
            raise InvalidArgument(
                f"platform {specifier!r}: neither an operating system nor an architecture"
                + (f": {hint!r} is one" if hint else ": expected one of them, or both: linux/arm64")
            )
        return platform

    @classmethod
    def host(cls) -> Self:
        """Return the platform of this machine."""
        name = os.uname()
        return cls(name.sysname, name.machine).normalized()

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Return the platform that a document names, in its spelling.

        Raises:
            InvalidArgument: Operating system or architecture is missing, or a part could not be a specifier's.
        """
        names = {name: fields.text(name) for name in ("os", "architecture")}
        names["variant"] = fields.optional_text("variant")
        for name, value in names.items():
            if value and not re.fullmatch(_PART, value):
                raise InvalidArgument(
                    f"{fields.where}: {name}: {value[:64]!r} is not made of letters, digits, '_', '.' and '-'"
                )
        return cls(**names, os_version=fields.optional_text("os.version"))

    def normalized(self) -> Self:
        """Return the platform in Go's spelling: `linux/x86_64` is `linux/amd64`, `linux/armhf` `linux/arm/v7`."""
        architecture, variant = self.architecture.lower(), self.variant.lower()
        architecture, implied = _SYNONYMS.get(architecture, (architecture, ""))
        variant = implied or variant
        if variant.isdecimal() and architecture in ("arm", "arm64"):
            variant = f"v{variant}"
        if architecture == "arm":
            variant = variant or "v7"
        if variant == _DEFAULT_VARIANTS.get(architecture):
            variant = ""
        system = self.os.lower()
        return attrs.evolve(
            self,
            os="darwin" if system == "macos" else system,
            architecture=architecture,
            variant=variant,
        )

    def runs(self) -> tuple[Platform, ...]:
        """Return the platforms whose images a machine of this one can run, the best first, normalised.

        Those are older variants, and the 32-bit architecture: 386 on amd64, arm on arm64.
        """
        own = attrs.evolve(self.normalized(), os_version="")
        others = (attrs.evolve(own, architecture=name, variant=variant) for name, variant in _compatible(own))
        return own, *(platform.normalized() for platform in others)

    def rank(self, image: Platform) -> int | None:
        """Return how well an image fits a machine of this platform: 0 is best; None means that it does not run."""
        try:
            return self.runs().index(attrs.evolve(image.normalized(), os_version=""))
        except ValueError:
            return None

    def document(self) -> dict[str, str]:
        """Return the platform as JSON values."""
        values = {
            "architecture": self.architecture,
            "os": self.os,
            "os.version": self.os_version,
            "variant": self.variant,
        }
        return {key: value for key, value in values.items() if value}

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def _compatible(own: Platform) -> Iterator[tuple[str, str]]:
    """Yield further architectures and variants that run on a normalised platform, the best first."""
    major, minor = _version(own.variant)
    match own.architecture:
        case "amd64":
            yield from (("amd64", f"v{older}") for older in range(major - 1, 0, -1))
            yield "386", ""
        case "arm":
            yield from (("arm", f"v{older}") for older in range(major - 1, 4, -1))
        case "arm64":
            if major == 9:  # v9.x has all of v8.(x + 5), as Arm defines it
                yield from (("arm64", _arm64(9, older)) for older in range(minor - 1, -1, -1))
                minor += 6
            yield from (("arm64", _arm64(8, older)) for older in range(minor - 1, -1, -1))
            yield from (("arm", f"v{older}") for older in range(8, 4, -1))


def _version(variant: str) -> tuple[int, int]:
    """Return the numbers of a variant such as `v8.2`; 0 where there are none, or more than any processor has."""
    found = re.fullmatch(r"v([0-9])(?:\.([0-9]))?", variant)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def _arm64(major: int, minor: int) -> str:
    return f"v{major}.{minor}" if minor else f"v{major}"
