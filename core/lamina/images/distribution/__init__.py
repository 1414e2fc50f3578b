"""Pull images from registries into a content store, and push them from it."""

from lamina.images.distribution._pulled import PulledImage
from lamina.images.distribution._push import Push

__all__ = ["PulledImage", "Push"]
