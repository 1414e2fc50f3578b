"""The transfer service: slow work on images, with its progress."""
