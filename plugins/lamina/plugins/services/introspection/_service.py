"""`containerd.services.introspection.v1.Introspection`."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterable

from lamina.api import Handlers, encode, plugin_to_proto
from lamina.api.messages import introspection_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.errdefs import DataLoss, FailedPrecondition, NotFound, Unimplemented, translated
from lamina.fs import SecureDirectory
from lamina.plugin import Plugin, Status


class IntrospectionService:
    """Returns the plugins of a host in their current state, and the UUID of the host."""

    def __init__(self, plugins: Callable[[], Iterable[Plugin]], uuid_path: str) -> None:
        """Create the service without reading or writing anything.

        Args:
            plugins: Returns the records so far, in the order of initialisation.
            uuid_path: Path of the file with the UUID of the host, created at its first use.
        """
        self._plugins = plugins
        self._uuid = UuidFile(uuid_path)
        self.handlers: Handlers = {
            "Plugins": (pb.PluginsRequest, self._list),
            "Server": (Empty, self._server),
            "PluginInfo": (pb.PluginInfoRequest, self._info),
        }

    def _list(self, request: pb.PluginsRequest) -> pb.PluginsResponse:
        from lamina.filters import parse

        wanted = parse(*request.filters)
        plugins = [plugin_to_proto(plugin) for plugin in self._plugins() if wanted.match(_fields(plugin))]
        return encode(pb.PluginsResponse, plugins=plugins)

    def _server(self, _request: Empty) -> pb.ServerResponse:
        pidns = os.stat("/proc/self/ns/pid").st_ino  # namespaces(7)
        return encode(pb.ServerResponse, uuid=self._uuid.read(), pid=os.getpid(), pidns=pidns)

    def _info(self, request: pb.PluginInfoRequest) -> pb.PluginInfoResponse:
        plugin = self._find(request.type, request.id)
        response = encode(pb.PluginInfoResponse, plugin=plugin_to_proto(plugin))
        if request.HasField("options"):
            if plugin.status is not Status.OK:
                raise FailedPrecondition(f"plugin {plugin.uri} does not work: {plugin.problem}")
            inform = getattr(plugin.instance, "plugin_info", None)
            if inform is None:
                raise Unimplemented(f"plugin {plugin.uri} does not provide information")
            response.extra.CopyFrom(inform(request.options))
        return response

    def _find(self, plugin_type: str, plugin_id: str) -> Plugin:
        for plugin in self._plugins():
            if (plugin.type, plugin.id) == (plugin_type, plugin_id):
                return plugin
        raise NotFound(f"plugin {plugin_type}.{plugin_id} not found")


class UuidFile:
    """A file with the random UUID of a host."""

    def __init__(self, path: str) -> None:
        """Create the object without touching the file."""
        self._directory, self._name = os.path.split(path)
        self._mutex = threading.Lock()

    def read(self) -> str:
        """Return the UUID. Writes a new one if the file is missing or empty.

        Raises:
            DataLoss: The file does not contain a UUID.
            Error: The file cannot be read or created.
        """
        with (
            self._mutex,
            translated("read the UUID of this host"),
            SecureDirectory.open(self._directory, create_mode=0o700) as directory,
        ):
            return self._read(directory) or self._make(directory)

    def _read(self, directory: SecureDirectory) -> str:
        text = (directory.read(self._name) or b"").decode(errors="replace").strip()
        try:
            return text and str(uuid.UUID(text))
        except ValueError:
            path = directory.path_of(self._name)
            raise DataLoss(
                f"{path} contains {text!r}, which is not a UUID: remove the file to have a new one created"
            ) from None

    def _make(self, directory: SecureDirectory) -> str:
        made = str(uuid.uuid4())
        directory.replace(self._name, made.encode())
        return made


def _fields(plugin: Plugin) -> Callable[[tuple[str, ...]], str | None]:
    """Return the look-up of the fields that filters can use, as in containerd."""
    fields: dict[tuple[str, ...], str] = {("type",): plugin.type, ("id",): plugin.id}
    return fields.get
