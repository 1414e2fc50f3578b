"""The introspection service: which plugins the host has, and which host it is."""
