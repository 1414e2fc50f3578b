"""Whether a data root and the metastore belong together."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.plugin import Finding
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.file import Counters


def ownership_of(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Compare the UUID and the generation of a data root with the metastore's.

    Args:
        evidence: What the sources say.
        name: The snapshotter.
        root: Its data root.
    """
    check = "metastore's mark"
    ours, theirs = evidence.contents.uuid, root.uuid
    generation = evidence.contents.counters.get(name, Counters()).generation
    if not root.data and not root.records:
        yield Finding.ok(check, "the data root is empty")
    elif not theirs:
        found = f"{root.path}/uuid is missing or empty: whose the data is cannot be told, and no host uses it"
        yield Finding.problem(check, found, evidence.rebuild)
    elif theirs != ours:
        whose = f"the metastore in use is {ours}" if ours else "the metastore in use cannot be read"
        found = f"{root.path} belongs to metastore {theirs}, and {whose}"
        yield Finding.problem(
            check,
            found,
            f"if that metastore was lost, {evidence.rebuild}; if a backup of it is left, lamina metastore restore"
            f"{evidence.options} FILE; if the data root is another host's, set root_path to another directory",
        )
    elif root.generation > generation:
        found = (
            f"{root.path} was opened {root.generation} times with this metastore, which knows of {generation}: it "
            "was put back from a copy, and does not know what has been made since"
        )
        yield Finding.problem(check, found, evidence.rebuild)
    else:
        yield Finding.ok(check, f"the data root belongs to metastore {ours}, and is no newer")
