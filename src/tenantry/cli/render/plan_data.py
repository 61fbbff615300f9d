"""A plan as JSON. Readers accept any ``formatVersion`` with the same number before the point."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tenantry.app.plan import step_minutes

if TYPE_CHECKING:
    from tenantry.plan import Cause, Effect, Plan
    from tenantry.plan.effect import NodeAction, Touched

FORMAT_VERSION = "1.0"


def as_data(plan: Plan) -> dict[str, Any]:
    """Return the plan as plain data."""
    return {
        "formatVersion": FORMAT_VERSION,
        "platform": plan.name,
        "environment": plan.environment,
        "before": plan.before,
        "after": plan.after,
        "summary": plan.summary,
        "worst": plan.worst.word if plan.worst is not None else None,
        "isolationCompared": plan.verified,
        "minutes": plan.minutes,
        "minutesAssumed": any(item.assumed for item in step_minutes().values()),
        "effects": [_effect(effect) for effect in plan.effects],
        "rollout": [
            {
                "wave": step.wave,
                "application": step.component,
                "start": step.start,
                "minutes": step.minutes,
                **_action(step.action),
            }
            for step in plan.steps
        ],
        "applications": [
            {
                "name": item.name,
                "wave": item.wave,
                "added": item.added,
                "changed": item.changed,
                "removed": item.removed,
                "waits": item.waits,
            }
            for item in plan.applications
        ],
        "causes": [_cause(cause) for cause in plan.causes],
        "objects": [
            {
                **_key(item.key),
                "application": item.component,
                "mark": item.mark.value,
                "fields": [_touched(field) for field in item.fields],
            }
            for item in plan.objects
        ],
        "notes": list(plan.notes),
    }


def as_json(plan: Plan) -> str:
    """Write the plan as JSON."""
    return json.dumps(as_data(plan), indent=2, ensure_ascii=False) + "\n"


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "rule": effect.rule,
        "area": effect.area.value,
        "mark": effect.mark.value,
        "level": effect.level.word,
        "subject": effect.subject,
        "message": effect.message,
        "certainty": effect.certainty.value,
        "source": effect.source,
        "causes": [_cause(cause) for cause in effect.causes],
        "objects": [{**_key(item.key), "field": item.pointer} for item in effect.touched],
        "numbers": dict(effect.numbers),
        "tenants": list(effect.tenants),
        "pools": list(effect.pools),
        "action": _action(effect.action) if effect.action else None,
        "wayBack": effect.way_back.value,
        "details": list(effect.details),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "document": cause.document,
        "field": cause.field,
        "before": cause.before,
        "after": cause.after,
        "file": cause.location.file,
        "line": cause.location.line,
        "column": cause.location.column,
    }


def _action(action: NodeAction) -> dict[str, Any]:
    return {
        "action": action.action.value,
        "pool": action.pool,
        "nodes": action.nodes,
        "atOnce": action.at_once,
        "minutesPerNode": action.minutes,
        "heldBackBy": action.held_back_by,
    }


def _touched(field: Touched) -> dict[str, Any]:
    return {"field": field.pointer, "before": field.before, "after": field.after}


def _key(key: Any) -> dict[str, Any]:
    return {"apiVersion": key.api_version, "kind": key.kind, "namespace": key.namespace, "name": key.name}
