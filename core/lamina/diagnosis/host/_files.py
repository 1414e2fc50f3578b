"""Check the files of a configuration, and whether a host would start with it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from lamina.diagnosis import AS_ROOT
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.plugin import Finding


def configuration(host: ConfiguredHost) -> Iterator[Finding]:
    """Report the problems of a host's configuration, or that it has none."""
    check = "files"
    for problem in host.problems:
        if os.geteuid() != 0 and problem.endswith(os.strerror(errno.EACCES)):
            yield Finding.unknown(check, problem, AS_ROOT)
        else:
            remedy = f"fix this, then check with: {host.command('config check', overridden=True)}"
            yield Finding.problem(check, problem, remedy)
    if host.config is None:
        return
    files = [name for name in host.config.files if name != "<defaults>"]
    if not host.problems:
        yield Finding.ok(check, ", ".join(files) or "none: the defaults apply")
    for exposure in host.config.exposures:
        found = f"{exposure.found}, who could change the host's behaviour: it refuses to start"
        yield Finding.problem(check, found, exposure.remedy)
    for warning in host.warnings:
        yield Finding.warning(check, warning, "correct it, remove it, or install the package it is for")
    if host.prepared and (refusal := host.prepared.plan.dry_run().refusal):
        remedy = f"make it work, or remove it from required_plugins: {host.command('plugins graph')}"
        yield Finding.problem("start", f"a host would not start: {refusal}", remedy)
