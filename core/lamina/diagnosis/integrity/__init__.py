"""Check the integrity of a host's data by comparing the metastore, data, mounts and recovery records.

`lamina doctor` prints the findings. Each function checks one thing and yields `lamina.plugin.Finding`s. A finding
that can be repaired without data loss has a `Repair`; nothing changes before it runs.
"""

from lamina.diagnosis.integrity._checks import examine, gather
from lamina.diagnosis.integrity._evidence import Evidence

__all__ = ["Evidence", "examine", "gather"]
