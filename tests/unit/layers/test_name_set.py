from __future__ import annotations

from lamina.layers.applying._name_set import NameSet


def test_names_are_told_from_those_of_other_directories_however_many_there_are() -> None:
    names = NameSet()
    for number in range(200_000):
        names.add(number % 3, b"%d" % (number // 3))
    added = [(directory, b"%d" % number) for directory in range(3) for number in range(0, 66_000, 1000)]
    assert all(names.has(*name) for name in added)
    assert not any(names.has(3, name) or names.has(0, name + b"x") for _, name in added)
