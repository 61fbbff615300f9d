"""Plans that were saved: read one, and say whether what it was made from is still the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tenantry import __version__
from tenantry.app.plan_format import plan_of
from tenantry.app.plan_places import Place, has_spec, opened, revisions
from tenantry.errors import GitError, InputError, SpecError
from tenantry.git import Repository
from tenantry.io.digest import digest
from tenantry.io.spec_folder import load_spec
from tenantry.io.walk import shown
from tenantry.io.yaml_read import os_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.plan import Plan
    from tenantry.plan.inputs import FileInput, SideInput


class Freshness(NamedTuple):
    """What became of what a plan was made from.

    Attributes:
        changed: what is another now, sentences; empty for a plan that still holds.
        unknown: what cannot be found any more, sentences.
        notes: what else is worth knowing.
    """

    changed: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def read_plan(file: Path) -> Plan:
    """Read a saved plan.

    Raises:
        InputError: if there is none, or it cannot be read.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InputError(f"{shown(file)}: {os_reason(error)}") from error
    return plan_of(text, shown(file))


def freshness(plan: Plan) -> Freshness:
    """Say whether both sides of a plan, and what was read beside them, are still what they were.

    Folders and files are looked for from the current folder, revisions in the repository around it.
    """
    inputs = plan.inputs
    changed: list[str] = []
    unknown: list[str] = []
    try:
        places = _places(plan)
    except (InputError, GitError) as error:
        unknown.append(str(error))
        places = ()
    for place, side in zip(places, (inputs.old, inputs.new), strict=bool(places)):
        try:
            changed += _differences(place, side, plan.environment)
        except (InputError, GitError) as error:
            unknown.append(f"the spec {place.where} cannot be read: {error}")
    for item in inputs.files:
        _file(item, changed, unknown)
    notes: tuple[str, ...] = ()
    if inputs.tool != __version__:
        notes = (f"the plan was made by Tenantry {inputs.tool}; this is {__version__}, whose rules may say otherwise",)
    return Freshness(tuple(changed), tuple(unknown), notes)


def _places(plan: Plan) -> tuple[Place, Place] | tuple[()]:
    inputs = plan.inputs
    if inputs.repository:
        sides = revisions(Repository.around(Path.cwd()), inputs.asked, "" if inputs.spec == "." else inputs.spec)
        return sides.old, sides.new
    return Place(inputs.asked, Path(inputs.asked)), Place(inputs.spec, Path(inputs.spec))


def _differences(place: Place, side: SideInput, environment: str) -> Iterator[str]:
    """Yield how the documents of a side differ from those a plan was made from.

    Raises:
        InputError: if the spec cannot be read.
        GitError: if git fails.
    """
    before, now = dict(side.documents), {}
    with opened(place) as (folder, named):
        if place.repository is None or has_spec(folder, environment):
            try:
                now = load_spec(folder, environment, named=named).digests()
            except SpecError as error:
                yield f"{place.where}: {error}"
                return
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            word = "was added" if name not in before else "is gone" if name not in now else "was changed"
            yield f"{place.where}: {name} {word}"


def _file(item: FileInput, changed: list[str], unknown: list[str]) -> None:
    try:
        if digest(Path(item.path)) != item.digest:
            changed.append(f"the {item.role} {item.path} was changed")
    except InputError as error:
        unknown.append(f"the {item.role} {error}")
