"""A plan for code scanning (SARIF: isolation that no longer holds) and for test reports (JUnit: a case per area)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from tenantry import __version__
from tenantry.plan.effect import Area, Level

if TYPE_CHECKING:
    from tenantry.plan import Effect, Plan


def sarif(plan: Plan) -> str:
    """Write isolation that is broken or no longer known as SARIF 2.1.0, at the fields behind it."""
    worse = [effect for effect in plan.of(Area.ISOLATION) if effect.level >= Level.DISRUPTIVE]
    rules = sorted({effect.rule for effect in worse})
    driver = {"name": "tenantry", "version": __version__, "rules": [{"id": rule} for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "results": [_result(effect, rules.index(effect.rule)) for effect in worse],
        "properties": {"summary": plan.summary, "isolationCompared": plan.verified},
    }
    body = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _result(effect: Effect, index: int) -> dict[str, Any]:
    unsafe = effect.level is Level.UNSAFE
    result: dict[str, Any] = {
        "ruleId": effect.rule,
        "ruleIndex": index,
        "kind": "fail" if unsafe else "open",
        "level": "error" if unsafe else "none",
        "message": {"text": "; ".join((f"{effect.subject}: {effect.message}", *effect.details))},
        "properties": {"tenants": list(effect.tenants)},
    }
    places = []
    for cause in effect.causes:
        place: dict[str, Any] = {"artifactLocation": {"uri": cause.location.file.replace("\\", "/")}}
        if cause.location.line:
            place["region"] = {"startLine": cause.location.line, "startColumn": max(1, cause.location.column)}
        places.append({"physicalLocation": place, "message": {"text": cause.words()}})
    if places:
        result["locations"], result["relatedLocations"] = places[:1], places[1:]
    return result


def junit(plan: Plan) -> str:
    """Write a test case per area, which fails when something in it is disruptive, unsafe or not known."""
    cases = []
    for area in Area:
        bad = [item for item in plan.of(area) if item.level >= Level.DISRUPTIVE or area is Area.UNKNOWN]
        head = f'    <testcase classname="tenantry.plan" name={quoteattr(area.value)}'
        if area is Area.ISOLATION and not plan.verified:
            cases.append(f'{head}>\n      <skipped message="isolation was not compared"/>\n    </testcase>')
        elif bad:
            detail = "\n".join(f"{item.mark.value} {item.subject}: {item.message} [{item.rule}]" for item in bad)
            message = quoteattr(f"{len(bad)} disruptive, unsafe or unknown")
            cases.append(f"{head}>\n      <failure message={message}>{escape(detail)}</failure>\n    </testcase>")
        else:
            cases.append(f"{head}/>")
    failures = sum("<failure" in case for case in cases)
    skipped = sum("<skipped" in case for case in cases)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
        f'  <testsuite name="tenantry plan" tests="{len(cases)}" failures="{failures}" skipped="{skipped}">\n'
        f'    <properties><property name="summary" value={quoteattr(plan.summary)}/></properties>\n'
        + "\n".join(cases)
        + "\n  </testsuite>\n</testsuites>\n"
    )
