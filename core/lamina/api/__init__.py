"""containerd's gRPC protocol, without gRPC.

`lamina.api.messages` has the messages. This package has the descriptions of services that a listener serves
(`Service`, `Method`, `Target`), and the conversions between messages and lamina's objects, including the data that
containerd's messages have no fields for.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.api._access import access_from_proto, access_to_proto
    from lamina.api._codec import decode, encode
    from lamina.api._collection import (
        chain_from_proto,
        chain_to_proto,
        image_usages_from_proto,
        image_usages_to_proto,
        removed_from_proto,
        removed_to_proto,
    )
    from lamina.api._config_changes import config_changes_from_proto, config_changes_to_proto
    from lamina.api._content import blob_from_proto, blob_to_proto, ingest_from_proto, ingest_to_proto
    from lamina.api._convert import (
        error_from_proto,
        error_to_proto,
        info_from_proto,
        info_to_proto,
        kind_from_proto,
        mounts_from_proto,
        mounts_to_proto,
        platform_from_proto,
        platform_to_proto,
        usage_from_proto,
        usage_to_proto,
    )
    from lamina.api._images import descriptor_from_proto, descriptor_to_proto, image_from_proto, image_to_proto
    from lamina.api._leases import lease_from_proto, lease_to_proto
    from lamina.api._names import dangling_from_exports, names_from_exports, names_to_exports
    from lamina.api._plugins import PluginDetails, details_from_proto, exports_from_proto, plugin_to_proto
    from lamina.api._service import (
        Handler,
        Handlers,
        LazyMethod,
        Method,
        Response,
        Service,
        Target,
        VersionedResponse,
        serialize,
    )
    from lamina.api._time import time_from_proto, time_to_proto

__all__ = [
    "Handler",
    "Handlers",
    "LazyMethod",
    "Method",
    "PluginDetails",
    "Response",
    "Service",
    "Target",
    "VersionedResponse",
    "access_from_proto",
    "access_to_proto",
    "blob_from_proto",
    "blob_to_proto",
    "chain_from_proto",
    "chain_to_proto",
    "config_changes_from_proto",
    "config_changes_to_proto",
    "dangling_from_exports",
    "decode",
    "descriptor_from_proto",
    "descriptor_to_proto",
    "details_from_proto",
    "encode",
    "error_from_proto",
    "error_to_proto",
    "exports_from_proto",
    "image_from_proto",
    "image_to_proto",
    "image_usages_from_proto",
    "image_usages_to_proto",
    "info_from_proto",
    "info_to_proto",
    "ingest_from_proto",
    "ingest_to_proto",
    "kind_from_proto",
    "lease_from_proto",
    "lease_to_proto",
    "mounts_from_proto",
    "mounts_to_proto",
    "names_from_exports",
    "names_to_exports",
    "platform_from_proto",
    "platform_to_proto",
    "plugin_to_proto",
    "removed_from_proto",
    "removed_to_proto",
    "serialize",
    "time_from_proto",
    "time_to_proto",
    "usage_from_proto",
    "usage_to_proto",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_collection": "chain_from_proto chain_to_proto image_usages_from_proto image_usages_to_proto "
        "removed_from_proto removed_to_proto",
        "_config_changes": "config_changes_from_proto config_changes_to_proto",
        "_access": "access_from_proto access_to_proto",
        "_content": "blob_from_proto blob_to_proto ingest_from_proto ingest_to_proto",
        "_convert": "error_from_proto error_to_proto info_from_proto info_to_proto kind_from_proto "
        "mounts_from_proto mounts_to_proto platform_from_proto platform_to_proto "
        "usage_from_proto usage_to_proto",
        "_images": "descriptor_from_proto descriptor_to_proto image_from_proto image_to_proto",
        "_leases": "lease_from_proto lease_to_proto",
        "_codec": "decode encode",
        "_names": "dangling_from_exports names_from_exports names_to_exports",
        "_plugins": "PluginDetails details_from_proto exports_from_proto plugin_to_proto",
        "_service": "Handler Handlers LazyMethod Method Response Service Target VersionedResponse serialize",
        "_time": "time_from_proto time_to_proto",
    },
)
