"""Blobs on their way to the content store, and waits for them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future

from lamina.context import cancellable, use


class Arrivals:
    """Blobs that are there, will arrive, or never will. Every method may be called from any thread."""

    def __init__(self, digests: Iterable[str] = ()) -> None:
        """Expect blobs; all others are there already."""
        self._there: Future[None] = Future()
        self._there.set_result(None)
        self._expected: dict[str, Future[None]] = {digest: Future() for digest in digests}

    def of(self, digest: str) -> Future[None]:
        """Return a future that ends when a blob is there, or fails with the reason why it does not arrive."""
        return self._expected.get(digest, self._there)

    def add(self, digest: str) -> None:
        """Record that an expected blob is there."""
        self._expected[digest].set_result(None)

    def end(self, error: BaseException) -> None:
        """Record that no more blobs arrive, and why."""
        for future in self._expected.values():
            if not future.done():
                future.set_exception(error)


@contextlib.contextmanager
def arriving(digests: Iterable[str], fetch: Callable[[Callable[[str], None]], None]) -> Iterator[Arrivals]:
    """Fetch blobs in another thread during the block, and wait for the rest at its end.

    If the block fails, `fetch` is cancelled. If `fetch` fails, waits for blobs raise its error.

    Args:
        digests: The blobs.
        fetch: Fetches them, and calls its argument with the digest of each when it is there.

    Raises:
        Error: As `fetch`.
    """
    arrivals = Arrivals(digests)
    result: Future[None] = Future()

    with cancellable() as context:

        def run() -> None:
            try:
                with use(context):
                    fetch(arrivals.add)
            except BaseException as error:  # noqa: BLE001 - raised at the end of the block
                arrivals.end(error)
                result.set_exception(error)
            else:
                result.set_result(None)

        thread = threading.Thread(target=run, name="arriving")
        thread.start()
        try:
            yield arrivals
        except BaseException:
            context.cancel()
            raise
        finally:
            thread.join()
        result.result()
