"""Other people's programs: containerd, and what it needs."""
