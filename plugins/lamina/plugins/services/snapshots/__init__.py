"""The snapshots service: every snapshotter of the host, by name, over containerd's protocol."""
