"""Whether the configuration is in order."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Iterator

import attrs

from lamina.cli._configuration import Overrides, configuration
from lamina.config import Config, default_state
from lamina.diagnosis import AS_ROOT
from lamina.errdefs import ConfigError, Error
from lamina.host import Prepared, prepare
from lamina.plugin import Finding, Plugin


@attrs.frozen
class Site:
    """What is known of the host that a configuration makes, also where it is not in order."""

    file: str | None
    """The configuration file that was named; None: none was."""
    address: str
    """Path of the host's socket."""
    config: Config | None = None
    """None where it cannot be read."""
    prepared: Prepared | None = None
    """None where something in it is wrong."""
    problems: tuple[str, ...] = ()
    options: str = ""
    """The options that go over the file, to be typed again, each with a blank before it."""

    @classmethod
    def find(cls, file: str | None, overrides: Overrides) -> Site:
        """Read a configuration as `lamina serve` would.

        Args:
            file: The file; None: the default one, if it exists.
            overrides: The options.
        """
        given = overrides["address"] or os.environ.get("LAMINA_ADDRESS")
        address = (given or f"{overrides['state'] or default_state()}/lamina.sock").removeprefix("unix://")
        options = _options(overrides)
        try:
            config = configuration(file, overrides)
        except Error as error:
            return cls(file, os.path.abspath(address), problems=_lines(error), options=options)
        if not given:
            address = f"{config.host.state}/lamina.sock"
        try:
            prepared = prepare(config, overrides["modules"])
        except Error as error:
            return cls(file, os.path.abspath(address), config, problems=_lines(error), options=options)
        # Where no listener is configured, another host may still be where clients look.
        return cls(file, prepared.address or os.path.abspath(address), prepared.config, prepared, options=options)

    def command(self, words: str, *, overridden: bool = False) -> str:
        """What to type to run a command of lamina's with this configuration.

        Args:
            words: Such as `plugins why`.
            overridden: Whether it takes the options that go over the file, too.
        """
        file = "" if self.file is None else f" -c {shlex.quote(self.file)}"
        return f"lamina {words}{file}{self.options if overridden else ''}"

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """The records of plugins that cannot be loaded."""
        return self.prepared.plan.failed if self.prepared else ()

    def findings(self) -> Iterator[Finding]:
        """What is wrong with it, or that nothing is."""
        check = "files"
        for problem in self.problems:
            if os.geteuid() != 0 and problem.endswith(os.strerror(errno.EACCES)):
                yield Finding.unknown(check, problem, AS_ROOT)
            else:
                remedy = f"mend that, and see whether all is: {self.command('config dump', overridden=True)}"
                yield Finding.problem(check, problem, remedy)
        if self.config is None:
            return
        files = [name for name in self.config.files if name != "<defaults>"]
        if not self.problems:
            yield Finding.ok(check, ", ".join(files) or "none: the defaults hold")
        for exposure in self.config.exposures:
            found = f"{exposure.found}, who could change what a host does: it refuses to start"
            yield Finding.problem(check, found, exposure.remedy)
        for warning in self.prepared.warnings if self.prepared else self.config.warnings:
            yield Finding.warning(check, warning, "take it out, or install what it is for")
        if self.prepared and (refusal := self.prepared.plan.foresee().refusal):
            remedy = f"make it work, or take it out of required_plugins: {self.command('plugins graph')}"
            yield Finding.problem("start", f"a host would not start: {refusal}", remedy)


def _options(overrides: Overrides) -> str:
    named = {"--root": overrides["root"], "--state": overrides["state"], "-a": overrides["address"]}
    given = [*named.items(), *(("-p", module) for module in overrides["modules"])]
    return "".join(f" {option} {shlex.quote(value)}" for option, value in given if value is not None)


def _lines(error: Error) -> tuple[str, ...]:
    return tuple(str(error).split("\n")) if isinstance(error, ConfigError) else (str(error),)
