"""`lamina containerd-config`."""
