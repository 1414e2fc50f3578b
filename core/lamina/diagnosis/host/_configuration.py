"""Whether the configuration is in order."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from lamina.diagnosis import AS_ROOT
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.plugin import Finding


def configuration(site: ConfiguredHost) -> Iterator[Finding]:
    """What is wrong with the configuration of a site, or that nothing is."""
    check = "files"
    for problem in site.problems:
        if os.geteuid() != 0 and problem.endswith(os.strerror(errno.EACCES)):
            yield Finding.unknown(check, problem, AS_ROOT)
        else:
            remedy = f"mend that, and see whether all is: {site.command('config dump', overridden=True)}"
            yield Finding.problem(check, problem, remedy)
    if site.config is None:
        return
    files = [name for name in site.config.files if name != "<defaults>"]
    if not site.problems:
        yield Finding.ok(check, ", ".join(files) or "none: the defaults hold")
    for exposure in site.config.exposures:
        found = f"{exposure.found}, who could change what a host does: it refuses to start"
        yield Finding.problem(check, found, exposure.remedy)
    for warning in site.prepared.warnings if site.prepared else site.config.warnings:
        yield Finding.warning(check, warning, "correct it, take it out, or install what it is for")
    if site.prepared and (refusal := site.prepared.plan.foresee().refusal):
        remedy = f"make it work, or take it out of required_plugins: {site.command('plugins graph')}"
        yield Finding.problem("start", f"a host would not start: {refusal}", remedy)
