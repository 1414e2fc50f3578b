"""`lamina containerd-config`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from lamina.cli.containerd.release import (
    DEFAULT,
    NEWEST,
    OWN_SNAPSHOTTERS,
    TRANSFER,
    UNPACK_CONFIG,
    Release,
    since,
)
from lamina.cli.containerd.stanza import Stanza
from lamina.cli.options.connection import connected, host_options
from lamina.cli.terminal.output import json_option, one_line, write, write_json
from lamina.errdefs import FailedPrecondition, InvalidArgument, NotFound, nearest
from lamina.plugin import PluginType, host_platform

if TYPE_CHECKING:
    from lamina.client import RemotePlugin

_SERVICE: Final = f"{PluginType.GRPC}.snapshots"
_SECONDS: Final = 10
"""Seconds that `containerd --version` may take."""


@attrs.frozen
class Offer:
    """A snapshotter that works, and the names by which containerd may use it."""

    plugin: RemotePlugin
    names: Sequence[str]
    """Best first."""

    def stanza(self, name: str, address: str) -> Stanza:
        """Build the proxy plugin table for the newest containerd."""
        foreign = [one for one in self.plugin.platforms[:1] if one != host_platform()]
        # containerd adds the export `address` itself.
        exports = {key: value for key, value in sorted(self.plugin.exports.items()) if key != "address"}
        return Stanza(name, address, "".join(foreign), self.plugin.capabilities, exports)


@attrs.frozen
class Offers:
    """The snapshotters that a host offers to containerd."""

    offers: Sequence[Offer]
    missing: Mapping[str, str]
    """The reason why each other snapshotter is not offered, by plugin id."""
    dangling: Mapping[str, str]
    """The reason why each dangling alias has no target, by alias."""

    @classmethod
    def of(cls, plugins: Sequence[RemotePlugin]) -> Offers:
        """Collect the offers from a host's plugins.

        Raises:
            FailedPrecondition: The host does not serve snapshots or is not a lamina host.
        """
        from lamina.api import dangling_from_exports, names_from_exports

        service = next((plugin for plugin in plugins if plugin.uri == _SERVICE), None)
        if service is None or service.init_error is not None:
            problem = service.reason if service else "the host does not have it"
            raise FailedPrecondition(f"snapshotters are not served: {_SERVICE}: {problem}")
        names = names_from_exports(service.exports)
        snapshotters = [plugin for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER]
        if not names and any(plugin.init_error is None for plugin in snapshotters):
            raise FailedPrecondition(
                "the host exports no names for its snapshotters: it is not a lamina host, or an older one"
            )
        offers, missing = [], {}
        for plugin in snapshotters:
            usable = [name for name in names.get(plugin.id, ()) if name not in OWN_SNAPSHOTTERS]
            if plugin.init_error is not None:
                missing[plugin.id] = plugin.reason
            elif usable:
                offers.append(Offer(plugin, usable))
            else:
                missing[plugin.id] = (
                    "containerd has built-in snapshotters of all its names: add another alias in lamina"
                )
        ids = [plugin.id for plugin in snapshotters]
        dangling = dangling_from_exports(service.exports)
        return cls(offers, missing, {alias: _dangling(target, ids) for alias, target in dangling.items()})

    def chosen(self, names: Sequence[str]) -> Iterator[tuple[Offer, str]]:
        """Yield the named snapshotters, or every snapshotter under its best name if `names` is empty.

        Raises:
            NotFound: No working snapshotter has the name.
        """
        if not names:
            yield from ((offer, offer.names[0]) for offer in self.offers)
        known = {name: offer for offer in self.offers for name in offer.names}
        for name in dict.fromkeys(names):
            if name in self.dangling:
                raise NotFound(f"{name!r} is an alias of {self.dangling[name]}")
            if name not in known:
                meant = nearest(name, known)
                hint = f": did you mean {meant}?" if meant else f" (known are {', '.join(known)})"
                raise NotFound(f"no working snapshotter has the name {name!r}{hint}")
            yield known[name], name


def _dangling(target: str, ids: Sequence[str]) -> str:
    """Describe the missing snapshotter that an alias refers to."""
    meant = nearest(target, ids)
    return f"{target!r}, a snapshotter that the host does not have{f': did you mean {meant}?' if meant else ''}"


@click.command("containerd-config")
@host_options
@click.option(
    "--containerd-version",
    "version",
    metavar="VERSION",
    help=(
        "The containerd version to print for, such as 1.6 or 2.1.4. Default: that of containerd on PATH, else "
        "the newest."
    ),
)
@json_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
def containerd_config(*, version: str | None, as_json: bool, names: tuple[str, ...]) -> None:
    """Print the configuration that containerd needs.

    Prints a table for /etc/containerd/config.toml for each working snapshotter, under its first alias or under
    each NAME given. A name is a keyspace: two containerds must not share one.
    """
    release, source = (Release.parse(version), "") if version is not None else _installed()
    with connected() as client:
        address = _absolute(client.address)
        offers = Offers.of(client.plugins())
    chosen = [(offer, offer.stanza(name, address)) for offer, name in offers.chosen(names)]
    if not chosen:
        reasons = "; ".join(f"{id_}: {reason}" for id_, reason in offers.missing.items())
        raise FailedPrecondition(f"the host has no snapshotter for containerd: {reasons or 'none is installed'}")
    if as_json:
        write_json(_document(release, chosen, offers))
    else:
        write("\n".join(_text(release, source, chosen, offers)))


def _installed() -> tuple[Release, str]:
    """Return the version of containerd on PATH, or the newest, and where it is known from.

    Raises:
        InvalidArgument: That version cannot use lamina's snapshotters.
    """
    import subprocess

    try:
        command = ("containerd", "--version")
        done = subprocess.run(  # noqa: S603 # the command is a constant
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
    except FileNotFoundError:
        return NEWEST, ", the newest known, because containerd is not on PATH"
    except (OSError, subprocess.SubprocessError) as error:
        return NEWEST, f", the newest known, because `containerd --version` failed: {error}"
    # containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3
    words = done.stdout.split()
    try:
        return Release.parse("".join(words[2:3])), ", as reported by `containerd --version`"
    except InvalidArgument as error:
        error.add_note("use --containerd-version to name another version")
        raise


def _absolute(address: str) -> str:
    """Return the absolute path of a socket: containerd has another working directory.

    Raises:
        InvalidArgument: The path cannot be written in TOML.
    """
    path = os.path.abspath(address.removeprefix("unix://"))
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{path!r} is not valid Unicode and cannot be written in a TOML file") from None
    return path


def _text(release: Release, source: str, chosen: Sequence[tuple[Offer, Stanza]], offers: Offers) -> Iterator[str]:
    yield (
        f"# For /etc/containerd/config.toml of containerd {release}{one_line(source)}. Restart containerd "
        "afterwards."
    )
    yield (
        "# A name is a keyspace: two containerds must not share one, because each removes snapshots it does "
        "not know."
    )
    for key in dict.fromkeys(key for _, stanza in chosen for key in stanza.table() if not release.reads(key)):
        yield f"# Without {key}, which containerd reads since {' and '.join(map(str, since(key)))}."
    withheld = dict.fromkeys(one for _, stanza in chosen for one in stanza.capabilities if not release.knows(one))
    if withheld and release.reads("capabilities"):
        yield f"# Without {' and '.join(withheld)}: containerd {release} cannot make id-mapped mounts."
    for offer, stanza in chosen:
        others = [name for name in offer.names if name != stanza.name]
        note = f" Its other names: {one_line(', '.join(others))}." if others else ""
        yield ""
        yield f"# lamina's snapshotter {one_line(offer.plugin.id)}.{note}"
        yield from stanza.lines(release)
    for id_, reason in offers.missing.items():
        yield ""
        yield f"# lamina's snapshotter {one_line(id_)} is left out: {one_line(reason)}"
    for alias, reason in offers.dangling.items():
        yield ""
        yield f"# {one_line(alias)} is left out: it is an alias of {one_line(reason)}"
    if release >= TRANSFER:
        yield from ("", *(f"# {line}".rstrip() for line in _transfer([stanza.name for _, stanza in chosen])))


def _transfer(names: Sequence[str]) -> Iterator[str]:
    """Yield the `unpack_config` that the transfer service needs, for configurations without such a list."""
    import tomli_w

    yield (
        "`ctr images` unpacks only with the snapshotters in this list, or with --local. If there is no list "
        "yet, add:"
    )
    for name in (DEFAULT, *names):
        yield f"[[{UNPACK_CONFIG}]]"
        yield from tomli_w.dumps({"platform": "linux", "snapshotter": name}).splitlines()


def _document(release: Release, chosen: Sequence[tuple[Offer, Stanza]], offers: Offers) -> dict[str, Any]:
    return {
        "ContainerdVersion": str(release),
        "ProxyPlugins": {stanza.name: stanza.table(release) for _, stanza in chosen},
        "Snapshotters": [{"ID": offer.plugin.id, "Names": list(offer.names)} for offer, _ in chosen],
        "Missing": dict(offers.missing),
        "DanglingAliases": dict(offers.dangling),
    }
