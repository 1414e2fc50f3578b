"""The leases service: what is not to be collected yet, in containerd's protocol."""
