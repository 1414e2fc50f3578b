"""Answers of registries that mean failure, as errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

from lamina.errdefs import Error, FailedPrecondition, NotFound, PermissionDenied, Unauthenticated
from lamina.registry._json import parse_object
from lamina.registry.credentials import LOG_IN
from lamina.registry.http import Response, Temporary, TooManyRequests, retry_after

_MAX_BODY: Final = 65536
_MAX_TEXT: Final = 300
"""Maximum number of characters of a registry's text that a message repeats."""
_MAX_ERRORS: Final = 3
_REQUEST_TIMEOUT: Final = 408

_BY_CODE: Final = {
    "BLOB_UNKNOWN": "the registry has lost it, or has it only in another repository: push the image again",
    "MANIFEST_UNKNOWN": "check the tag or the digest",
    "NAME_INVALID": "the registry does not take such names of repositories",
    "NAME_UNKNOWN": "check the name of the repository",
    "UNSUPPORTED": "the registry does not allow it here",
}
"""Remedies by the code of an error (OCI distribution spec, "Error Codes")."""
_BY_STATUS: Final = {
    401: f"{LOG_IN}; many registries answer so for what does not exist, too",
    403: "the credentials do not allow it: log in with another account, or ask its owner",
    404: "check the name",
    413: "a proxy before the registry, or the registry, limits the size of requests",
    429: "try again later; many registries let those do more who log in",
}
_EXPECTS_TLS: Final = "perhaps it expects TLS: leave out --plain-http; a loopback address gets TLS with --ca-file"
_CLASSES: Final[dict[int, type[Error]]] = {401: Unauthenticated, 403: PermissionDenied, 404: NotFound}


def refusal(response: Response, subject: str, secrets: Iterable[str]) -> Error:
    """Return the error for an answer that is not what was asked for. Reads its body.

    Args:
        response: The answer.
        subject: The request in words, to begin the message.
        secrets: Texts that the message must not repeat, even if the registry does.
    """
    body = response.read(_MAX_BODY)
    said = explanation(body, secrets)
    parts = [f"{subject}: it answered {_status(response.status)}", said, _remedy(response, body)]
    message = ": ".join(part for part in parts if part)
    if response.status == 429:
        return TooManyRequests(message, retry_after(response))
    if response.status >= 500 or response.status == _REQUEST_TIMEOUT:
        return Temporary(message, retry_after(response))
    return _CLASSES.get(response.status, FailedPrecondition)(message)


def explanation(body: bytes, secrets: Iterable[str] = ()) -> str:
    """Return a registry's explanation of an error; "" if its form is unknown.

    Args:
        body: Supposed to be a JSON object with `errors` (OCI distribution spec, "Error Codes"), or with `message`.
        secrets: Texts to leave out.
    """
    entries = _entries(body)
    text = "; ".join(text for entry in entries if (text := ": ".join(_parts(entry))))
    for secret in secrets:
        text = text.replace(secret, "…")
    printable = "".join(character if character.isprintable() else " " for character in text[:_MAX_TEXT])
    return f"{printable.strip()}…" if len(text) > _MAX_TEXT else printable.strip()


def _remedy(response: Response, body: bytes) -> str:
    codes = [entry.get("code") for entry in _entries(body) if isinstance(entry, dict)]
    for code in codes:
        if isinstance(code, str) and code in _BY_CODE:
            return _BY_CODE[code]
    if response.status == 400 and not codes and response.url.origin.scheme == "http":
        return _EXPECTS_TLS
    return _BY_STATUS.get(response.status, "")


def _entries(body: bytes) -> list[object]:
    found = parse_object(body)
    errors = (found or {}).get("errors")
    return errors[:_MAX_ERRORS] if isinstance(errors, list) else [found] if found else []


def _parts(entry: object) -> Iterator[str]:
    if isinstance(entry, dict):
        for name in ("code", "message"):
            value = entry.get(name)
            if isinstance(value, str) and value:
                yield value


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
