"""The generated modules and their generator."""

import pytest

pytest.importorskip("grpc_tools", reason="the generator needs grpcio-tools")

from lamina.api import generate


def test_the_generated_modules_are_up_to_date(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 0
    assert capsys.readouterr().out == ""


def test_check_shows_differences_and_writes_nothing(tmp_path, capsys, monkeypatch):
    wanted = generate.generate()
    changed = wanted["mount_pb2.py"] + "Extra = 1\n"
    present = wanted | {"mount_pb2.py": changed, "gone_pb2.py": "Gone = 1\n"}
    for name, text in present.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(generate, "MESSAGES", tmp_path)
    monkeypatch.setattr("sys.argv", ["generate", "--check"])

    assert generate.main() == 1
    shown = capsys.readouterr().out.splitlines()
    assert "-Extra = 1" in shown
    assert "-Gone = 1" in shown
    assert (tmp_path / "mount_pb2.py").read_text() == changed


def test_generating_writes_every_module_and_removes_those_without_a_proto_file(tmp_path, monkeypatch):
    (tmp_path / "gone_pb2.py").write_text("")
    monkeypatch.setattr(generate, "MESSAGES", tmp_path)
    monkeypatch.setattr("sys.argv", ["generate"])

    assert generate.main() == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == generate.generate()


def test_two_files_with_one_base_name_are_refused(tmp_path, monkeypatch):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.proto").write_text(f'syntax = "proto3"; package {folder};')
    monkeypatch.setattr(generate, "PROTO", tmp_path)

    with pytest.raises(ValueError, match="same base name"):
        generate.generate()
