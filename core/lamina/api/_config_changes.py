"""Conversions between messages and changes to the configuration of an image."""

from __future__ import annotations

from lamina.api._codec import encode
from lamina.api.messages.transfer_pb2 import ConfigChanges as ConfigChangesMessage
from lamina.api.messages.transfer_pb2 import Words
from lamina.images import ConfigChanges


def config_changes_to_proto(changes: ConfigChanges) -> ConfigChangesMessage:
    """Convert changes to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(
        ConfigChangesMessage,
        entrypoint=_words(changes.entrypoint),
        cmd=_words(changes.cmd),
        env=[f"{name}={value}" for name, value in changes.env.items()],
        unset_env=changes.unset_env,
        user=changes.user,
        working_dir=changes.working_dir,
        labels=changes.labels,
        unset_labels=changes.unset_labels,
        exposed_ports=changes.exposed_ports,
        unset_exposed_ports=changes.unset_exposed_ports,
        volumes=changes.volumes,
        unset_volumes=changes.unset_volumes,
        stop_signal=changes.stop_signal,
        author=changes.author,
    )


def config_changes_from_proto(message: ConfigChangesMessage) -> ConfigChanges:
    """Convert a message to changes.

    Raises:
        InvalidArgument: A value is malformed.
    """
    return ConfigChanges(
        entrypoint=tuple(message.entrypoint.words) if message.HasField("entrypoint") else None,
        cmd=tuple(message.cmd.words) if message.HasField("cmd") else None,
        env={name: value for name, _, value in (entry.partition("=") for entry in message.env)},
        unset_env=tuple(message.unset_env),
        user=message.user if message.HasField("user") else None,
        working_dir=message.working_dir if message.HasField("working_dir") else None,
        labels=dict(message.labels),
        unset_labels=tuple(message.unset_labels),
        exposed_ports=tuple(message.exposed_ports),
        unset_exposed_ports=tuple(message.unset_exposed_ports),
        volumes=tuple(message.volumes),
        unset_volumes=tuple(message.unset_volumes),
        stop_signal=message.stop_signal if message.HasField("stop_signal") else None,
        author=message.author if message.HasField("author") else None,
    )


def _words(words: tuple[str, ...] | None) -> Words | None:
    return None if words is None else encode(Words, words=words)
