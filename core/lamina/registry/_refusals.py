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
"""Characters of what a registry says that a message repeats."""
_MAX_ERRORS: Final = 3
_REQUEST_TIMEOUT: Final = 408

_REMEDIES: Final = {
    401: f"{LOG_IN}; many registries answer so for what does not exist, too",
    403: "the credentials do not allow it",
    413: "a proxy before the registry, or the registry, limits the size of requests",
}
_CLASSES: Final[dict[int, type[Error]]] = {401: Unauthenticated, 403: PermissionDenied, 404: NotFound}


def refusal(response: Response, subject: str, secrets: Iterable[str]) -> Error:
    """Return the error for an answer that is not what was asked for. Reads its body.

    Args:
        response: The answer.
        subject: What was asked, to begin the message.
        secrets: What the message must not repeat, even if the registry does.
    """
    said = explanation(response.read(_MAX_BODY), secrets)
    parts = [f"{subject}: it answered {_status(response.status)}", said, _REMEDIES.get(response.status, "")]
    message = ": ".join(part for part in parts if part)
    if response.status == 429:
        return TooManyRequests(message, retry_after(response))
    if response.status >= 500 or response.status == _REQUEST_TIMEOUT:
        return Temporary(message, retry_after(response))
    return _CLASSES.get(response.status, FailedPrecondition)(message)


def explanation(body: bytes, secrets: Iterable[str] = ()) -> str:
    """Return what a registry says about an error; "" if it is in no known form.

    Args:
        body: Supposed to be a JSON object with `errors` (OCI distribution spec, "Error Codes"), or with `message`.
        secrets: What is left out.
    """
    found = parse_object(body) or {}
    errors = found.get("errors")
    entries = errors[:_MAX_ERRORS] if isinstance(errors, list) else [found]
    text = "; ".join(text for entry in entries if (text := ": ".join(_parts(entry))))
    for secret in secrets:
        text = text.replace(secret, "…")
    printable = "".join(character if character.isprintable() else " " for character in text[:_MAX_TEXT])
    return f"{printable.strip()}…" if len(text) > _MAX_TEXT else printable.strip()


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
