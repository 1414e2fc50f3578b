"""`lamina images why` of what several snapshotters may have."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

import pytest

from lamina.cli.images import collection
from lamina.errdefs import NotFound, Unavailable
from lamina.metadata.collection import Chain, Step

CHAIN = (Step("image", "docker.io/library/debian:12", "default", how="image"),)


def ask(name: str, known: str) -> list[Chain]:
    """Ask a host, one of whose snapshotters does not work."""

    def why(form: str, _namespace: str) -> Sequence[Chain]:
        if form.startswith("remote/"):
            raise Unavailable("no answer")
        if form != known:
            raise NotFound(form)
        return [CHAIN]

    client = mock.Mock()
    client.collector().why = why
    client.plugins.return_value = [mock.Mock(id="remote", init_error=None)]
    with mock.patch.object(collection, "given_namespace", return_value=""):
        return collection._chains(client, name)


def test_a_snapshotter_that_does_not_work_does_not_hide_what_keeps_an_image() -> None:
    assert ask("debian:12", known="docker.io/library/debian:12") == [CHAIN]


def test_a_thing_that_is_not_found_may_be_in_the_snapshotter_that_does_not_work() -> None:
    with pytest.raises(Unavailable, match="no answer"):
        ask("debian:12", known="something else")
