"""A registry that serves one image, by the OCI's distribution specification (pulling alone)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.support.local_servers import LocalHTTPServer, running_server

NAME = "layers"


@contextlib.contextmanager
def serving(layout: Path) -> Iterator[str]:
    """Serve the image of an OCI layout until the end of the block; returns its reference."""

    class Handler(BaseHTTPRequestHandler):
        """Answers for manifests and blobs, which lie in the layout by their digest."""

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            name = self.path.rpartition("/")[2]
            digest = image["digest"] if name == "latest" else name
            file = layout / "blobs" / digest.replace(":", "/")
            if self.path.startswith(f"/v2/{NAME}/") and file.is_file():
                self.send_response(200)
                content = file.read_bytes()
            else:
                self.send_response(404)
                content = b"{}"
            is_image = digest == image["digest"]
            self.send_header("Content-Type", image["mediaType"] if is_image else "application/octet-stream")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Tests print nothing."""

    (image,) = json.loads((layout / "index.json").read_text())["manifests"]
    with running_server(LocalHTTPServer(("127.0.0.1", 0), Handler)) as address:
        yield f"{address}/{NAME}:latest"
