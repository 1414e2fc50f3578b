"""Disks that refuse, lose or lack something, and work to do on them."""
