"""Whether everything a spec promises can be held on its hardware, and the largest job that can ever run.

What lives here: nodes as room, pods as needs, exact packing, the rules ``FIT-*``, tables of what each tenant and each
workload can do, and changes of the spec that make it fit, each tried. What may not: files, and resolving a spec (the
caller passes a function that does).
"""

from __future__ import annotations

from tenantry.efficient.fit.engine import FitResult, fit
from tenantry.efficient.fit.reference import fit_markdown

__all__ = ["FitResult", "fit", "fit_markdown"]
