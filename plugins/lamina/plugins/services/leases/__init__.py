"""The leases service: leases keep blobs and snapshots from being collected, in containerd's protocol."""
