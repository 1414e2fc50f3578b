"""The introspection service: the plugins and the identity of the host."""
