"""A plan as JSON: the form that is saved, and that ``tenantry plan show`` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tenantry.app.plan_format import as_data

if TYPE_CHECKING:
    from tenantry.plan import Plan


def as_json(plan: Plan) -> str:
    """Write the plan as JSON."""
    return json.dumps(as_data(plan), indent=2, ensure_ascii=False) + "\n"
