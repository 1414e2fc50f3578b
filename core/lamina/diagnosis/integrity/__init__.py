"""Whether what a host keeps is whole: the metastore, data, mounts and recovery records, compared with one another.

`lamina doctor` prints it. Each function looks at one thing and yields what it found as `lamina.plugin.Finding`; a
finding that can be mended without a loss has a `Repair`. Nothing is changed before that is run.
"""

from lamina.diagnosis.integrity._checks import examine, gather
from lamina.diagnosis.integrity._evidence import Evidence

__all__ = ["Evidence", "examine", "gather"]
