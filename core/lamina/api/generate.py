"""Generate `lamina.api.messages` from the `.proto` files. Run it after changing one; it needs grpcio-tools.

`python -m lamina.api.generate` writes the modules. With `--check` it writes nothing, prints the differences, and
exits with 1 if there are any. If the present modules cannot be imported, run this file by its path.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

PROTO = Path(__file__).parent / "proto"
MESSAGES = Path(__file__).parent / "messages"
PACKAGE = "lamina.api.messages"
WELL_KNOWN = tuple(f"google/protobuf/{name}.proto" for name in ("any", "empty", "field_mask", "timestamp"))
"""Files of protoc itself that ours import."""

_IMPORT = re.compile(r"^from [\w.]+ import (?=\w+_pb2 as )", re.MULTILINE)


def generate() -> dict[str, str]:
    """Return the generated modules and their stubs, by file name.

    Raises:
        subprocess.CalledProcessError: protoc rejected a file, and printed the reason to standard error.
    """
    names = [*sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")), *WELL_KNOWN]
    with tempfile.TemporaryDirectory() as temporary:
        descriptors = Path(temporary, "descriptors")
        options = [f"-I{PROTO}", f"--pyi_out={temporary}", f"--descriptor_set_out={descriptors}"]
        protoc = [sys.executable, "-m", "grpc_tools.protoc"]
        subprocess.run([*protoc, *options, *names], check=True)  # noqa: S603 - our own file names
        files: dict[str, str] = {}
        for file in FileDescriptorSet.FromString(descriptors.read_bytes()).file:
            name = _module(file.name)
            if f"{name}.py" in files:
                raise ValueError(f"{file.name}: another .proto file has the same base name")
            files[f"{name}.py"] = _source(file)
            files[f"{name}.pyi"] = _stub(Path(temporary, file.name).with_name(f"{name}.pyi").read_text())
    return files


def _module(proto: str) -> str:
    return f"{PurePosixPath(proto).stem}_pb2"


def _source(file: FileDescriptorProto) -> str:
    """Return a module that adds a file to the private pool and names its declarations."""
    lines = [f'"""Generated from {file.name} by `python -m lamina.api.generate`."""', ""]
    if file.dependency:
        lines += [f"from {PACKAGE} import {', '.join(sorted(map(_module, file.dependency)))}"]
    lines += [f"from {PACKAGE}._pool import add_file, enum, messages", ""]
    lines += ["DESCRIPTOR = add_file(", *_literal(file.SerializeToString(deterministic=True)), ")", ""]
    for enum in file.enum_type:
        lines += [f'{enum.name} = enum(DESCRIPTOR, "{enum.name}")']
        lines += [f"{value.name} = {value.number}" for value in enum.value]
    lines += ["__getattr__ = messages(DESCRIPTOR, globals())"]
    return "\n".join([*lines, ""])


def _literal(content: bytes) -> Iterator[str]:
    """Yield a bytes literal in lines short enough to compare."""
    for start in range(0, len(content), 64):
        yield f"    {content[start : start + 64]!r}"


def _stub(text: str) -> str:
    """Return protoc's stub with imports from our package. mypy finds its bare `Mapping` too loose."""
    return '# mypy: disable-error-code="type-arg"\n' + _IMPORT.sub(f"from {PACKAGE} import ", text)


def differences(wanted: dict[str, str]) -> Iterator[str]:
    """Yield a diff from the present modules to the generated ones; nothing if they agree."""
    present = {path.name: path.read_text() for path in MESSAGES.glob("*_pb2.py*")}
    for name in sorted(present.keys() | wanted.keys()):
        old, new = (files.get(name, "").splitlines() for files in (present, wanted))
        yield from difflib.unified_diff(old, new, name, f"{name} (generated)", lineterm="")


def main() -> int:
    """Write or compare the modules, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lamina.api.generate", description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if anything differs")
    check = parser.parse_args().check
    wanted = generate()
    if check:
        diff = list(differences(wanted))
        print(*diff, sep="\n", end="\n" if diff else "")
        return 1 if diff else 0
    for path in MESSAGES.glob("*_pb2.py*"):
        path.unlink()
    for name, text in wanted.items():
        (MESSAGES / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
