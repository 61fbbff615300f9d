"""Explains one job to people: where it stands, why, what would change it, and whom that would cost what.

What lives here: trials on changed moments, the choice of the dominant reason, and every sentence with its rule. What
may not live here: rules of a scheduler, which only cycles on moments know, and the layout of outputs.
"""

from tenantry.fair.explain.answer import Explanation, Standing
from tenantry.fair.explain.case import Elsewhere, Known
from tenantry.fair.explain.one_job import explain, order_sensitive

__all__ = ["Elsewhere", "Explanation", "Known", "Standing", "explain", "order_sensitive"]
