"""Imports and unpacks images, for this process and, with its progress, for clients."""
