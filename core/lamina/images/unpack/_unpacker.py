"""`Unpacker`: unpacks images."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.content import ContentStore
from lamina.context import KeyedLock
from lamina.images._labels import SNAPSHOT, add_label
from lamina.images._progress import Report
from lamina.images.documents import ImageConfig, Manifest
from lamina.images.unpack._arrivals import Arrivals
from lamina.images.unpack._chain import Chain
from lamina.images.unpack._destination import Destination
from lamina.images.unpack._extract import LayerUnpacker
from lamina.images.unpack._layer import Layer, layers_of
from lamina.layers import Applier
from lamina.snapshots.temporary import Owner, remove_leftovers


class Unpacker:
    """Unpacks images. Every method may be called from any thread.

    Calls that unpack the same layers at the same time do the work once, so use one object in a process.
    """

    def __init__(self, content: ContentStore, applier: Applier) -> None:
        """Unpack with an applier.

        Args:
            content: Has the blobs of images.
            applier: Applies their layers.
        """
        self._content = content
        self._applier = applier
        self._owner = Owner()
        self._locks = KeyedLock()

    def unpack(
        self,
        manifest: Manifest,
        config: ImageConfig,
        destination: Destination,
        progress: Report | None = None,
        arrivals: Arrivals | None = None,
    ) -> str:
        """Make the snapshots of an image, durably if the snapshotter's commits are.

        If it fails or is killed, the layers committed before stay. The next call continues after them, and removes
        unfinished ones.

        Args:
            manifest: The image's manifest.
            config: Its configuration.
            destination: The snapshotter to make them in.
            progress: Gets the progress of each layer.
            arrivals: Reports blobs when they arrive; each layer is unpacked as soon as it is there. None: all are
                there.

        Returns:
            The name of the topmost snapshot: its chain id; "" if the image has no layers.

        Raises:
            InvalidArgument: A layer is malformed, or is not the one that the image means; or the documents
                contradict each other.
            NotFound: The blob of a layer is missing.
            ResourceExhausted: The disk is full, or a layer exceeds the limits of the applier.
            Canceled, DeadlineExceeded: The current call ended.
            Error: A blob does not arrive.
        """
        layers = layers_of(manifest, config)
        if not layers:
            return ""
        chain = self._chain(destination, progress)
        remove_leftovers(destination.snapshotter, self._owner)
        arrivals = arrivals or Arrivals()
        chain.unpack(chain.missing(layers), arrivals)
        arrivals.of(manifest.config.digest).result()
        top = layers[-1].chain_id
        add_label(self._content, manifest.config.digest, f"{SNAPSHOT}{destination.name}", top)
        return top

    def provided(self, layers: Sequence[Layer], destination: Destination) -> list[Layer]:
        """Return the layers whose blobs are not needed, because the snapshotter makes their snapshots itself.

        It is asked to make those that are missing, from the lowest up, until it leaves one to others (containerd,
        `docs/remote-snapshotter.md`).

        Args:
            layers: The layers of an image, from the lowest up.
            destination: The snapshotter in which the image will be unpacked.
        """
        missing = destination.missing(layers)
        there = layers[: len(layers) - len(missing)]
        remote = [layer for layer in there if destination.is_remote(layer.chain_id)]
        return remote + self._chain(destination, None).provided(missing)

    def _chain(self, destination: Destination, progress: Report | None) -> Chain:
        unpacker = LayerUnpacker(destination, self._content, self._applier, self._owner, progress)
        return Chain(unpacker, self._locks)
