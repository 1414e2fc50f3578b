"""Conversions between messages and the access to registries."""

from __future__ import annotations

from lamina.api._codec import encode
from lamina.api.messages.transfer_pb2 import Access as AccessMessage
from lamina.api.messages.transfer_pb2 import Credentials as CredentialsMessage
from lamina.errdefs import InvalidArgument
from lamina.images.references import parse
from lamina.registry import Access, Credentials


def access_to_proto(access: Access | None, name: str) -> AccessMessage | None:
    """Convert the access to a registry to a message, with the credentials for that repository alone.

    Args:
        access: The access. Its limits are not part of the message.
        name: An image in the registry.

    Raises:
        InvalidArgument: The name is malformed, or the credentials are not UTF-8. The message does not show them.
        Error: The credentials cannot be looked up.
    """
    if access is None:
        return None
    found = access.credentials(parse(name).repository)
    return encode(
        AccessMessage,
        credentials=_credentials(found) if found else None,
        ca_certificates=access.ca_certificates,
        plain_http=access.plain_http,
    )


def access_from_proto(message: AccessMessage, name: str) -> Access:
    """Convert a message to the access to the registry of an image.

    Raises:
        InvalidArgument: The name of the image or of the user is malformed.
    """
    if not message.HasField("credentials"):
        return Access(ca_certificates=message.ca_certificates, plain_http=message.plain_http)
    given, repository = message.credentials, parse(name).repository
    credentials = Credentials(given.username, given.password, given.identity_token, given.registry_token)
    return Access(
        credentials=lambda name: credentials if name == repository else None,
        ca_certificates=message.ca_certificates,
        plain_http=message.plain_http,
    )


def _credentials(credentials: Credentials) -> CredentialsMessage:
    try:
        return CredentialsMessage(
            username=credentials.username,
            password=credentials.password,
            identity_token=credentials.identity_token,
            registry_token=credentials.registry_token,
        )
    except UnicodeEncodeError:
        raise InvalidArgument("credentials: they are not UTF-8 text") from None
