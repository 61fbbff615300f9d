"""Change single fields of the example specs and plan what they do."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

from tenantry.app.plan import PlanQuestion, plan_folders
from tenantry.io.spec_folder import load_spec
from tenantry.io.yaml_write import dump_all
from tenantry.plan import Plan

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = {"dell": ("dell-ai-factory-h200", "production"), "eks": ("eks-gpu", ""), "plain": ("vanilla-kubernetes", "")}
GONE = object()
"""Stands for a field that is removed."""
QUICK = PlanQuestion(verify=False)


@cache
def documents(name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the merged documents of an example by kind and name."""
    folder, environment = NAMES[name]
    spec = load_spec(EXAMPLES / folder, environment).spec
    there = [spec.platform, *spec.tenants, *spec.facts, *spec.workloads, *spec.waivers]
    there += [spec.contract] if spec.contract else []
    dumped = [item.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True) for item in there]
    return {(item["kind"], item["metadata"]["name"]): item for item in dumped}


def write(name: str, folder: Path, edits: dict[str, Any] | None = None) -> Path:
    """Write an example as one file with edits: a document and a path, to a value or ``GONE``."""
    bodies = copy.deepcopy(documents(name))
    for where, value in (edits or {}).items():
        document, _, path = where.partition(" ")
        kind, _, wanted = document.partition("/")
        key = next((key for key in bodies if key[0] == kind and (not wanted or key[1] == wanted)), None)
        if not path:
            if value is GONE and key is not None:
                del bodies[key]
            else:
                bodies[kind, wanted] = value
        else:
            assert key is not None, where
            change(bodies[key], path, value)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.yaml").write_text(dump_all(list(bodies.values())), "utf-8")
    return folder


def change(body: dict[str, Any], path: str, value: Any) -> None:
    """Set or remove a field; ``[name]`` picks an item of a list by name, pool or class, ``[+]`` appends one."""
    steps = re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", path)
    where: Any = body
    for index, (item, field) in enumerate(steps):
        last = index == len(steps) - 1
        if item == "+":
            where.append(value)
        elif item and isinstance(where, dict):
            if last:
                where[item] = value
            else:
                where = where[item]
        elif item:
            found = next(place for place, entry in enumerate(where) if item in {entry.get("name"), entry.get("pool")})
            if not last:
                where = where[found]
            elif value is GONE:
                del where[found]
            else:
                where[found] = value
        elif not last:
            where = where.setdefault(field, {})
        elif value is GONE:
            del where[field]
        else:
            where[field] = value


def change_of(name: str, folder: Path, edits: dict[str, Any], question: PlanQuestion = QUICK) -> Plan:
    """Plan an edit of an example."""
    return plan_folders(write(name, folder / "old"), write(name, folder / "new", edits), "", question)


def said(plan: Plan) -> list[str]:
    """Return rule and subject of every effect, sorted."""
    return sorted(f"{effect.rule.removeprefix('EFFECT-')} {effect.subject}" for effect in plan.effects)
