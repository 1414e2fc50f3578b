"""A client of the Container Runtime Interface, as a kubelet is one."""

from __future__ import annotations

import contextlib
import functools
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from tests.support.commands import run
from tests.support.listener.engines import open_channel

_PROTO = Path(__file__).with_suffix(".proto")
_SECONDS = 240
"""Seconds that a call may take: as many as a kubelet gives a sandbox, twice its `runtimeRequestTimeout`."""


class Cri:
    """The services of a containerd's CRI plugin. A context manager."""

    def __init__(self, address: str) -> None:
        """Connect to a socket."""
        self._channel = open_channel(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, method: str, **fields: Any) -> Any:
        """Call a method with a request of these fields, given as JSON has them; returns the response.

        Raises:
            grpc.RpcError: It was refused.
        """
        path, request, response = _methods()[method]
        stub = self._channel.unary_unary(path, request.SerializeToString, response.FromString)
        return stub(ParseDict(fields, request()), timeout=_SECONDS)

    def is_initialised(self) -> bool:
        """Return whether the plugin takes calls. containerd 1.6 says a moment earlier that it is ready."""
        try:
            self.call("Status")
        except grpc.RpcError as error:
            if error.details() == "server is not initialized yet":
                return False
            raise
        return True

    @contextlib.contextmanager
    def pod(
        self,
        handler: str = "",
        annotations: Mapping[str, str] | None = None,
        *,
        privileged: bool = False,
        **namespaces: Any,
    ) -> Iterator[Pod]:
        """A pod with its sandbox, until the end of the block.

        Args:
            handler: The handler of its RuntimeClass.
            annotations: Its annotations.
            privileged: Whether its containers are privileged.
            namespaces: Its NamespaceOption.
        """
        name = f"pod-{uuid.uuid4().hex[:12]}"
        config = {
            "metadata": {"name": name, "uid": name, "namespace": "default"},
            "hostname": name,
            "annotations": dict(annotations or {}),
            "linux": {"security_context": {"namespace_options": namespaces, "privileged": privileged}},
        }
        sandbox = self.call("RunPodSandbox", config=config, runtime_handler=handler).pod_sandbox_id
        try:
            yield Pod(self, sandbox, config)
        finally:
            self.call("StopPodSandbox", pod_sandbox_id=sandbox)
            self.call("RemovePodSandbox", pod_sandbox_id=sandbox)


@attrs.frozen
class Pod:
    """A pod that runs.

    Attributes:
        cri: Who runs it.
        sandbox: The id of its sandbox.
    """

    cri: Cri
    sandbox: str
    _config: dict[str, Any]

    def start(self, image: str, *command: str, mounts: Sequence[Mapping[str, Any]] = ()) -> str:
        """Start a container in it; returns its id. It ends with the pod.

        Args:
            image: Its image.
            command: What it runs; nothing: what the image says.
            mounts: What of the host it sees.
        """
        config = {
            "metadata": {"name": f"container-{uuid.uuid4().hex[:12]}"},
            "image": {"image": image},
            "command": command,
            "mounts": mounts,
            "linux": {"security_context": self._config["linux"]["security_context"]},
        }
        created = self.cri.call(
            "CreateContainer", pod_sandbox_id=self.sandbox, config=config, sandbox_config=self._config
        )
        self.cri.call("StartContainer", container_id=created.container_id)
        return str(created.container_id)

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a container of it; returns what it printed."""
        done = self.cri.call("ExecSync", container_id=container, cmd=command, timeout=_SECONDS)
        assert done.exit_code == 0, done.stderr.decode()
        return str(done.stdout.decode())

    def probe(self, container: str, probe: Mapping[str, Any]) -> bool:
        """Run an exec probe of a manifest once, as a kubelet does; returns whether it succeeded.

        Args:
            container: The container.
            probe: The probe, such as `livenessProbe`; it sets `timeoutSeconds`.
        """
        command, seconds = probe["exec"]["command"], probe["timeoutSeconds"]
        try:
            done = self.cri.call("ExecSync", container_id=container, cmd=command, timeout=seconds)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return False
            raise
        return bool(done.exit_code == 0)


@functools.cache
def _methods() -> dict[str, tuple[str, Any, Any]]:
    """The path of each method and the classes of its messages."""
    with tempfile.NamedTemporaryFile() as descriptors:
        options = (f"-I{_PROTO.parent}", f"--descriptor_set_out={descriptors.name}")
        run(sys.executable, "-m", "grpc_tools.protoc", *options, _PROTO.name)
        (file,) = FileDescriptorSet.FromString(descriptors.read()).file
    pool = DescriptorPool()
    pool.Add(file)
    services = pool.FindFileByName(file.name).services_by_name.values()
    return {
        method.name: (
            f"/{service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
        )
        for service in services
        for method in service.methods
    }
