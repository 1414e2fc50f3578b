"""The snapshots service: the snapshotters of the host by name, in containerd's protocol."""
