"""The JSON form of a plan, both ways: what is written can be read again and renders the same.

Readers accept any ``formatVersion`` with the same number before the point, and skip fields they do not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tenantry.catalog.changes import step_minutes
from tenantry.errors import InputError
from tenantry.model.manifest import ManifestKey
from tenantry.model.problem import Location
from tenantry.plan.effect import (
    Action,
    Application,
    Area,
    Cause,
    Certainty,
    Effect,
    Level,
    Mark,
    NodeAction,
    ObjectChange,
    Plan,
    Return,
    Step,
    Touched,
)
from tenantry.plan.inputs import FileInput, Inputs, SideInput

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION = "1.1"


class _Form(msgspec.Struct, rename="camel"):
    """Fields in the order in which they are written."""


class _Side(_Form):
    commit: str
    documents: dict[str, str]


class _File(_Form):
    role: str
    path: str
    digest: str


class _Inputs(_Form):
    tool: str
    asked: str
    spec: str
    repository: bool
    day: str
    before: _Side
    after: _Side
    files: list[_File]


class _Cause(_Form):
    document: str
    field: str
    before: Any
    after: Any
    file: str
    line: int
    column: int


class _Action(_Form):
    action: Action
    application: str
    pool: str
    nodes: int
    at_once: int
    minutes_per_node: int
    held_back_by: str


class _Step(_Form):
    wave: int
    application: str
    start: int
    minutes: int
    action: Action
    pool: str
    nodes: int
    at_once: int
    minutes_per_node: int
    held_back_by: str


class _Object(_Form):
    api_version: str
    kind: str
    namespace: str
    name: str
    field: str


class _Effect(_Form):
    rule: str
    area: Area
    mark: Mark
    level: str
    subject: str
    message: str
    certainty: Certainty
    source: str
    causes: list[_Cause]
    objects: list[_Object]
    numbers: dict[str, int]
    tenants: list[str]
    pools: list[str]
    action: _Action | None
    way_back: Return
    details: list[str]


class _Application(_Form):
    name: str
    wave: int
    added: int
    changed: int
    removed: int
    waits: str


class _Field(_Form):
    field: str
    before: Any
    after: Any


class _Change(_Form):
    api_version: str
    kind: str
    namespace: str
    name: str
    application: str
    mark: Mark
    fields: list[_Field]


class _Plan(_Form):
    format_version: str
    platform: str
    environment: str
    before: str
    after: str
    summary: str
    worst: str | None
    isolation_compared: bool
    minutes: int
    minutes_assumed: bool
    inputs: _Inputs
    effects: list[_Effect]
    rollout: list[_Step]
    applications: list[_Application]
    causes: list[_Cause]
    objects: list[_Change]
    notes: list[str]


def as_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data."""
    form = _Plan(
        format_version=FORMAT_VERSION,
        platform=plan.name,
        environment=plan.environment,
        before=plan.before,
        after=plan.after,
        summary=plan.summary,
        worst=plan.worst.word if plan.worst is not None else None,
        isolation_compared=plan.verified,
        minutes=plan.minutes,
        minutes_assumed=any(item.assumed for item in step_minutes().values()),
        inputs=_inputs(plan.inputs),
        effects=[_effect(effect) for effect in plan.effects],
        rollout=[_step(step) for step in plan.steps],
        applications=[
            _Application(item.name, item.wave, item.added, item.changed, item.removed, item.waits)
            for item in plan.applications
        ],
        causes=[_cause(cause) for cause in plan.causes],
        objects=[
            _Change(
                *item.key,
                item.component,
                item.mark,
                [_Field(field.pointer, field.before, field.after) for field in item.fields],
            )
            for item in plan.objects
        ],
        notes=list(plan.notes),
    )
    data: dict[str, Any] = msgspec.to_builtins(form)
    return data


def _inputs(inputs: Inputs) -> _Inputs:
    old, new = (_Side(side.commit, dict(side.documents)) for side in (inputs.old, inputs.new))
    files = [_File(item.role, item.path, item.digest) for item in inputs.files]
    return _Inputs(inputs.tool, inputs.asked, inputs.spec, inputs.repository, inputs.day, old, new, files)


def _effect(effect: Effect) -> _Effect:
    done = effect.action
    return _Effect(
        rule=effect.rule,
        area=effect.area,
        mark=effect.mark,
        level=effect.level.word,
        subject=effect.subject,
        message=effect.message,
        certainty=effect.certainty,
        source=effect.source,
        causes=[_cause(cause) for cause in effect.causes],
        objects=[_Object(*item.key, item.pointer) for item in effect.touched],
        numbers=dict(effect.numbers),
        tenants=list(effect.tenants),
        pools=list(effect.pools),
        action=_Action(done.action, done.component, *_pace(done)) if done else None,
        way_back=effect.way_back,
        details=list(effect.details),
    )


def _pace(done: NodeAction) -> tuple[str, int, int, int, str]:
    return (done.pool, done.nodes, done.at_once, done.minutes, done.held_back_by)


def _step(step: Step) -> _Step:
    return _Step(step.wave, step.component, step.start, step.minutes, step.action.action, *_pace(step.action))


def _cause(cause: Cause) -> _Cause:
    place = cause.location
    return _Cause(cause.document, cause.field, cause.before, cause.after, place.file, place.line, place.column)


def plan_of(text: bytes, file: str) -> Plan:
    """Read a plan that :func:`as_data` wrote.

    Args:
        text: the JSON.
        file: its name, for messages.

    Raises:
        InputError: if it is no plan, or one of a later format.
    """
    try:
        form = _decoded(text, file)
        return _plan(form)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
        raise InputError(f"{file} is no saved plan: {error}") from error


def _decoded(text: bytes, file: str) -> _Plan:
    head = msgspec.json.decode(text)
    version = head.get("formatVersion") if isinstance(head, dict) else None
    if not isinstance(version, str) or "effects" not in head:
        raise InputError(f"{file} is no saved plan; expected what tenantry plan --out wrote")
    if version.partition(".")[0] != FORMAT_VERSION.partition(".")[0] or "inputs" not in head:
        raise InputError(
            f"{file} is a plan of format {version}, and this version reads {FORMAT_VERSION}; make the plan again"
        )
    return msgspec.convert(head, _Plan)


def _plan(form: _Plan) -> Plan:
    values: dict[tuple[ManifestKey, str], Touched] = {}
    objects = []
    for item in form.objects:
        key = ManifestKey(item.api_version, item.kind, item.namespace, item.name)
        fields = tuple(Touched(key, field.field, field.before, field.after) for field in item.fields)
        values.update(((key, field.pointer), field) for field in fields)
        objects.append(ObjectChange(key, item.application, item.mark, fields))
    return Plan(
        name=form.platform,
        environment=form.environment,
        before=form.before,
        after=form.after,
        effects=tuple(_effect_of(item, values) for item in form.effects),
        steps=tuple(
            Step(item.wave, item.application, item.start, item.minutes, _action_of(item)) for item in form.rollout
        ),
        applications=tuple(
            Application(item.name, item.wave, item.added, item.changed, item.removed, item.waits)
            for item in form.applications
        ),
        objects=tuple(objects),
        causes=tuple(map(_cause_of, form.causes)),
        summary=form.summary,
        verified=form.isolation_compared,
        notes=tuple(form.notes),
        inputs=_inputs_of(form.inputs),
    )


def _inputs_of(form: _Inputs) -> Inputs:
    old, new = (SideInput(side.commit, tuple(side.documents.items())) for side in (form.before, form.after))
    files = tuple(FileInput(item.role, item.path, item.digest) for item in form.files)
    return Inputs(form.tool, form.asked, form.spec, form.repository, form.day, old, new, files)


def _effect_of(form: _Effect, values: Mapping[tuple[ManifestKey, str], Touched]) -> Effect:
    touched = []
    for item in form.objects:
        key = ManifestKey(item.api_version, item.kind, item.namespace, item.name)
        touched.append(values.get((key, item.field), Touched(key, item.field)))
    return Effect(
        rule=form.rule,
        area=form.area,
        mark=form.mark,
        level=Level[form.level.upper()],
        subject=form.subject,
        message=form.message,
        certainty=form.certainty,
        source=form.source,
        causes=tuple(map(_cause_of, form.causes)),
        touched=tuple(touched),
        numbers=tuple(form.numbers.items()),
        tenants=tuple(form.tenants),
        pools=tuple(form.pools),
        action=_action_of(form.action) if form.action else None,
        way_back=form.way_back,
        details=tuple(form.details),
    )


def _action_of(form: _Action | _Step) -> NodeAction:
    return NodeAction(
        form.action, form.pool, form.nodes, form.at_once, form.minutes_per_node, form.application, form.held_back_by
    )


def _cause_of(form: _Cause) -> Cause:
    return Cause(form.document, form.field, form.before, form.after, Location(form.file, form.line, form.column))
