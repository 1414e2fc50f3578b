"""`lamina leases`."""
