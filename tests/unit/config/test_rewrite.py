"""A file is rewritten in the newest version with the same meaning, comments and order."""

from __future__ import annotations

import os
import re
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.config import GRPC_SERVER, Config, load
from lamina.config.versions.rewriting import replace, rewrite
from lamina.errdefs import ConfigError, PluginFailed
from tests.support.rounds import rounds

OLD, NEW = "io.x.v1.old", "io.x.v1.new"


def migration(version: int, plugins: dict[str, dict[str, Any]]) -> None:
    """Renames a table and a key, changes a value, moves a key into a table, drops a key."""
    if version == 2 and OLD in plugins and NEW not in plugins:
        plugins[NEW] = plugins.pop(OLD)
    for table in plugins.values():
        if "old" in table and "new" not in table:
            table["new"] = table.pop("old")
        if table.get("seconds") == 1:
            table["seconds"] = "1s"
        if version == 3 and "deep" in table and isinstance(table.setdefault("a", {}), dict):
            table["a"]["deep"] = table.pop("deep")
        table.pop("gone", None)


MIGRATIONS = {NEW: migration}


def rewritten(path: Path, text: str) -> str:
    path.write_text(text, newline="")
    return rewrite(str(path), MIGRATIONS).text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_only_what_must_change_changes(path: Path) -> None:
    before = f"""\
# The host of the lab.
version = 2   # old
root    = "/srv"

# Who may come in.
[grpc] # the socket
  # where it is
  address = "/a"   # here
  uid = 0
  tcp_address = "h:1"  # unused?

# Numbers, later.
[metrics]
address = ""
# They were too many.

# The disk.
[plugins]
  [plugins."{OLD}"] # fast
  old = [1,
    2, # two
  ]
  seconds = 1 # short
  [plugins."{OLD}".a]
  x = 0x10
"""
    after = f"""\
# The host of the lab.
version = 4   # old
root    = "/srv"

# Who may come in.
[plugins."{GRPC_SERVER}"] # the socket
  # where it is
  address = "/a"   # here
  uid = 0

# Numbers, later.
# They were too many.

# The disk.
[plugins]
  [plugins."{NEW}"] # fast
  new = [1,
    2, # two
  ]
  seconds = "1s" # short
  [plugins."{NEW}".a]
  x = 0x10

[plugins."io.containerd.server.v1.grpc-tcp"]
address = "h:1" # unused?
"""
    assert rewritten(path, before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("version = 3", "version = 4"),
        (
            "version = 3\r\n[grpc]\r\naddress = '/a'\r\n",
            f"version = 4\r\n[plugins.\"{GRPC_SERVER}\"]\r\naddress = '/a'\r\n",
        ),
        ("grpc.uid = 5 # me\nversion = 3\n", f'plugins."{GRPC_SERVER}".uid = 5 # me\nversion = 4\n'),
        ("grpc = { uid = 5 }\nversion = 3\n", f'plugins."{GRPC_SERVER}" = {{ uid = 5 }}\nversion = 4\n'),
        ('version = 3\n[grpc]\n"uid" = 5\n', f'version = 4\n[plugins."{GRPC_SERVER}"]\n"uid" = 5\n'),
        ('version = 3\n[ "grpc" ]\ngid = 5\nuid = 0', f'version = 4\n[ plugins."{GRPC_SERVER}" ]\ngid = 5\n'),
        (f'version = 3\n[[plugins."{NEW}".x]]\na = 1\n', f'version = 4\n[[plugins."{NEW}".x]]\na = 1\n'),
        (f'version = 2\n[[plugins."{OLD}".x]]\na = 1\n', f'version = 4\n[[plugins."{NEW}".x]]\na = 1\n'),
        (
            f'version = 3\nplugins."{NEW}" = {{ old = 1, b = 2 }}\n',
            f'version = 4\nplugins."{NEW}" = {{ new = 1, b = 2 }}\n',
        ),
        ('version = 3\n[debug]\nlevel = "" # none\nformat = "json"\n', 'version = 4\n[debug]\nformat = "json"\n'),
        (
            f'version = 2\n[plugins."{OLD}"."{"long " * 20}"]\na = 1\n',
            f'version = 4\n[plugins."{NEW}"."{"long " * 20}"]\na = 1\n',
        ),
        ("version = 4 # x\n[grpc]\n", "version = 4 # x\n[grpc]\n"),
    ],
)
def test_keys_are_renamed_however_they_are_written(path: Path, before: str, after: str) -> None:
    assert rewritten(path, before) == after


def test_an_omitted_table_is_reported(path: Path) -> None:
    path.write_text(f'version = 3\n# a\n[grpc]\n# b\naddress = "/a"\n[plugins."{GRPC_SERVER}"]\naddress = "/b"\n')
    found = rewrite(str(path), {})
    assert found.text == f'version = 4\n# a\n# b\n[plugins."{GRPC_SERVER}"]\naddress = "/b"\n'
    assert found.warnings == (f'{path}:3: grpc: ignored: the file also has plugins."{GRPC_SERVER}"',)


def test_nothing_changes_in_a_file_of_the_newest_version(path: Path) -> None:
    path.write_text("version = 4\nplugins.x = { old = 1 }\n")
    assert not rewrite(str(path), MIGRATIONS).changed


@pytest.mark.parametrize("text", ["version = 3\n[grpc]\nadress = 1\n", "version = 1\n", "root = 1\n", "version ="])
def test_a_file_with_mistakes_is_not_rewritten(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError):
        rewrite(str(path), {})


def test_a_file_with_a_table_of_a_failing_plugin_is_not_rewritten(path: Path) -> None:
    path.write_text("version = 3\n[plugins.x]\n")
    with pytest.raises(PluginFailed, match="migrate its configuration from version 3: ZeroDivisionError"):
        rewrite(str(path), {"x": lambda version, plugins: 1 / 0})


small = st.integers(0, 2)
names = st.sampled_from(["a", "old", "new", "deep", "gone", "q r", '"'])
scalars = small | st.booleans() | st.sampled_from(["", "x", "# no", "[a]"]) | st.floats(width=16) | st.lists(small)
tables = st.recursive(
    st.dictionaries(names, scalars, max_size=3),
    lambda inner: st.dictionaries(names, scalars | inner | st.lists(inner, min_size=1, max_size=2), max_size=3),
    max_leaves=6,
)
socket = st.fixed_dictionaries(
    {},
    optional={
        "address": st.sampled_from(["", "/a"]),
        "uid": small,
        "max_recv_message_size": small,
        "tcp_address": st.sampled_from(["", "h:1"]),
        "tcp_tls_ca": st.sampled_from(["", "/ca"]),
    },
)
documents = st.fixed_dictionaries(
    {"version": st.sampled_from([2, 3])},
    optional={
        "grpc": socket,
        "debug": st.fixed_dictionaries(
            {},
            optional={
                "level": st.sampled_from(["", "warn"]),
                "address": st.sampled_from(["", "/d"]),
                "uid": small,
            },
        ),
        "metrics": st.fixed_dictionaries(
            {}, optional={"address": st.sampled_from(["", "h"]), "grpc_histogram": st.booleans()}
        ),
        "timeouts": st.dictionaries(names, st.just("1s"), max_size=2),
        "plugins": st.dictionaries(st.sampled_from([OLD, NEW, GRPC_SERVER, "io.z"]), tables, max_size=3),
    },
)


def commented(document: dict[str, Any], random: Random) -> str:
    """A document in any order of tables and with comments in many places."""
    items = list(document.items())
    random.shuffle(items)
    lines = []
    for number, line in enumerate(tomli_w.dumps(dict(items)).split("\n")):
        if random.random() < 0.3 and not line.startswith((" ", "]")):
            lines.append(f"# c{number}")
        lines.append(line + (f" # e{number}" if random.random() < 0.2 and line else ""))
    return "\n".join(lines)


@settings(max_examples=rounds(60, 10_000))
@given(documents, st.randoms(use_true_random=False))
def test_a_rewritten_file_loads_as_the_original_does_and_has_its_comments(
    path: Path, document: dict[str, Any], random: Random
) -> None:
    text = commented(document, random)
    after = rewritten(path, text)
    original = load(path).with_migrations(MIGRATIONS)
    path.write_text(after)
    assert tomli.loads(after)["version"] == 4
    again = load(path)
    assert sorted_tables(again) == sorted_tables(original)
    comments = [line for line in text.split("\n") if line.startswith("# c")]
    assert [line for line in after.split("\n") if line.startswith("# c")] == comments


def sorted_tables(config: Config) -> str:
    """Return all values independent of order, as text because NaN does not equal itself."""

    def ordered(value: Any) -> Any:
        if isinstance(value, list):
            return [ordered(one) for one in value]
        return {key: ordered(value[key]) for key in sorted(value)} if isinstance(value, dict) else value

    return repr((attrs.asdict(config.host.debug), config.host.timeouts, ordered(dict(config.plugins))))


def test_a_file_is_replaced_with_its_mode_owner_and_attributes(tmp_path: Path) -> None:
    path, link = tmp_path / "config.toml", tmp_path / "link.toml"
    path.write_text("old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 5, 6)
    os.setxattr(path, "user.note", b"x")
    before = path.stat()
    link.symlink_to("config.toml")
    replace(str(link), "new")
    after = path.stat()
    assert path.read_text() == "new"
    assert link.is_symlink()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(path, "user.note") == b"x"
    assert sorted(os.listdir(tmp_path)) == ["config.toml", "link.toml"]


def test_a_file_that_cannot_be_replaced_is_kept_without_leftovers(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace(str(tmp_path / "none.toml"), "new")
    assert os.listdir(tmp_path) == []


def test_a_moved_table_goes_into_an_inline_table(path: Path) -> None:
    before = f'version = 3\ngrpc = {{address = "/a"}}\nplugins = {{"{NEW}" = {{old = 1}}}}\n'
    after = rewritten(path, before)
    assert tomli.loads(after) == {
        "version": 4,
        "plugins": {NEW: {"new": 1}, GRPC_SERVER: {"address": "/a"}},
    }


@pytest.mark.parametrize(
    "socket",
    [
        'grpc = {address = "/a"} # socket',
        'grpc = {uid = 5, tcp_address = "h:1"} # socket',
        'grpc = {tcp_address = "h:1"} # socket',
        'grpc.address = "/a" # socket',
        'grpc.tcp_address = "h:1" # socket',
        'grpc = {address = "# no comment"} # socket',
    ],
    ids=lambda text: re.sub(r"\W+", "-", text),
)
@pytest.mark.parametrize(
    "plugins",
    [
        "",
        "[plugins] # all\n# end",
        f"[plugins] # all\n[plugins.'{NEW}'] # one\nold = [ # many\n1] # end",
        f"plugins = {{'{NEW}' = {{old = 1}}}} # all\n[debug] # level\nlevel = 'warn'",
        f"plugins.'{NEW}'.deep = [ # many\n1, # one\n] # end",
        f"[plugins.'{NEW}'] # one\ndeep = [ # many\n1, # one\n] # end",
    ],
    ids=["none", "empty", "header", "inline", "dotted", "moved"],
)
def test_every_comment_of_a_setting_that_stays_is_kept(path: Path, socket: str, plugins: str) -> None:
    before = f"version = 3 # version\n{socket}\n{plugins}\n"
    after = rewritten(path, before)
    words = re.findall(r"# (?!no comment)\w+", before)
    assert sorted(re.findall(r"# (?!no comment)\w+", after)) == sorted(words)
