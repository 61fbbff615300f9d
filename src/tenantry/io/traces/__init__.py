"""Traces of GPU clusters: readers for the formats in use, and the one that is written.

One module per format, listed in ``formats.FORMATS``; what they share (compressed files, rows, times, problems) lives
beside them. Readers stream: nothing here holds a whole trace, sorts one, or knows what it is replayed for.
"""

from tenantry.io.traces.formats import FORMATS
from tenantry.io.traces.nodes import read_nodes, read_quotas
from tenantry.io.traces.options import TraceOptions
from tenantry.io.traces.simple import write_csv
from tenantry.io.traces.trace import Trace, open_trace

__all__ = ["FORMATS", "Trace", "TraceOptions", "open_trace", "read_nodes", "read_quotas", "write_csv"]
