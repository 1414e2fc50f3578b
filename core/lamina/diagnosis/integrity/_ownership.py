"""Check that a data root and the metastore belong together."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence
from lamina.plugin import Finding
from lamina.snapshots.recovery import DataRootContents
from lamina.snapshots.storage.file import Counters


def ownership_of(evidence: Evidence, name: str, root: DataRootContents) -> Iterator[Finding]:
    """Compare the UUID, the generation and the last transaction of a data root with the metastore's."""
    check = "metastore's mark"
    ours, theirs = evidence.contents.uuid, root.uuid
    if not root.data and not root.records:
        yield Finding.ok(check, "the data root is empty")
    elif not theirs:
        found = f"{root.path}/uuid is missing or damaged: the owner of the data is unknown, and no host uses it"
        yield Finding.problem(check, found, evidence.rebuild)
    elif theirs != ours:
        whose = f"the metastore in use is {ours}" if ours else "the metastore in use cannot be read"
        found = f"{root.path} belongs to metastore {theirs}, but {whose}"
        yield Finding.problem(
            check,
            found,
            f"if that metastore was lost, {evidence.rebuild}; if there is a backup of it, lamina metastore "
            f"restore{evidence.options} FILE; if the data root belongs to another host, set root_path to another "
            "directory",
        )
    elif root.is_newer(name, evidence.contents):
        generation = evidence.contents.counters.get(name, Counters()).generation
        found = (
            f"{root.path} was opened {root.generation} times with this metastore, up to transaction "
            f"{root.transaction}, and the metastore {generation} times, up to transaction "
            f"{evidence.contents.transaction}: it was restored from a copy and lacks later changes"
        )
        yield Finding.problem(check, found, evidence.rebuild)
    else:
        yield Finding.ok(check, f"the data root belongs to metastore {ours} and is not newer")
