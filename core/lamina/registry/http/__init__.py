"""HTTP as registries need it: requests that end with their call, redirects that give nothing away."""

from lamina.registry.http._client import Client
from lamina.registry.http._errors import Temporary, TooManyRequests
from lamina.registry.http._proxy import Proxies
from lamina.registry.http._request import BlobBody, Request
from lamina.registry.http._response import Response
from lamina.registry.http._retry_after import parse_retry_after, retry_after
from lamina.registry.http._url import URL, Origin

__all__ = [
    "URL",
    "BlobBody",
    "Client",
    "Origin",
    "Proxies",
    "Request",
    "Response",
    "Temporary",
    "TooManyRequests",
    "parse_retry_after",
    "retry_after",
]
