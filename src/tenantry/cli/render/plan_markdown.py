"""A plan as a comment on a pull request: a marker to find it again, the summary, then sections until it is full.

A section is kept whole as long as it fits; of the first that does not, as many rows as do. What is worth least goes
first, and what was left out is said. No table, fence or tag is ever cut open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tenantry.cli.render.plan import MOST_CAUSES, effect_facts, field_words, headline, rollout_length
from tenantry.plan.effect import Area, Level
from tenantry.plan.summary import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.errors import SpecError
    from tenantry.plan import Effect, Plan
    from tenantry.plan.effect import Cause, ObjectChange

GITHUB_LIMIT = 65_536
"""Characters of a comment on GitHub (its API: "body is too long (maximum is 65536 characters)"); GitLab: 1,000,000."""
MOST_DETAILS = 4
"""Further lines of an effect, such as steps of a witness, that a cell shows."""
_RESERVE = 700
"""Kept free for the sentence about what was left out."""
_WORTH = (
    Area.ISOLATION, Area.TENANTS, Area.NODES, Area.PARTITIONS, Area.DATA, Area.UNKNOWN, Area.GITOPS,
)  # fmt: skip
"""Areas from the one that is worth most."""


@dataclass(frozen=True)
class _Section:
    """A part of the comment.

    Attributes:
        title: its name, for what was left out.
        worth: smaller is kept longer.
        head: lines in front of the rows.
        rows: lines that can be left out from the end; a row is one line or several that belong together.
        tail: lines behind the rows.
    """

    title: str
    worth: int
    head: tuple[str, ...]
    rows: tuple[str, ...]
    tail: tuple[str, ...] = ("",)

    def lines(self, rows: int) -> list[str]:
        """Return the section with its first rows."""
        return [*self.head, *self.rows[:rows], *self.tail]


def marker(spec: str, environment: str) -> str:
    """Return the line by which a comment about the same spec and environment is found again."""
    place, chosen = (quote(text, safe="/._").replace("-", "%2D") for text in (spec, environment))
    return f"<!-- tenantry-plan spec={place} environment={chosen} -->"


def markdown(plan: Plan, *, limit: int = GITHUB_LIMIT, full: str = "") -> str:
    """Write the plan as a comment.

    Args:
        plan: the plan.
        limit: largest number of bytes, which are never fewer than characters.
        full: where the whole plan is, a link or a name, for when something is left out.
    """
    head = [marker(plan.inputs.spec or plan.name, plan.environment), "", f"**{_cell(headline(plan))}**", ""]
    sections = list(_sections(plan))
    room = limit - _size(head) - _RESERVE - _size([full])
    kept: dict[int, int] = {}
    left_out: list[str] = []
    for number, section in sorted(enumerate(sections), key=lambda item: item[1].worth):
        rows = _fitting(section, room)
        if rows or not section.rows:
            kept[number] = rows
            room -= _size(section.lines(rows))
        if rows < len(section.rows):
            part = f"{len(section.rows) - rows} of {len(section.rows)} in {section.title}" if rows else section.title
            left_out.append(part)
            # What is worth less than something that was cut has no place beside it, but small notes do.
            room = min(room, _RESERVE)
    lines = list(head)
    for number, section in enumerate(sections):
        if number in kept:
            lines += section.lines(kept[number])
    if left_out:
        lines += _left_out(left_out, full)
    return "\n".join(lines).rstrip("\n") + "\n"


def problems_markdown(error: SpecError, spec: str, environment: str, *, limit: int = GITHUB_LIMIT) -> str:
    """Write the problems of a side that does not compile as the same comment."""
    head = [marker(spec, environment), "", f"**There is no plan: {_cell(str(error))}**", ""]
    rows = tuple(
        f"- {_code(str(problem.location))} {_code(str(problem.subject))}: {_cell(problem.message)} ({problem.rule})"
        for problem in error.problems
    )
    section = _Section("problems", 0, (), rows)
    kept = _fitting(section, limit - _size(head) - _RESERVE)
    lines = [*head, *section.lines(kept)]
    if kept < len(rows):
        lines += _left_out([f"{len(rows) - kept} of {len(rows)} problems"], "")
    return "\n".join(lines).rstrip("\n") + "\n"


def _fitting(section: _Section, room: int) -> int:
    """Return how many rows of a section fit."""
    left = room - _size(section.lines(0))
    if left < 0:
        return 0
    for number, row in enumerate(section.rows):
        left -= _size([row])
        if left < 0:
            return number
    return len(section.rows)


def _left_out(parts: Sequence[str], full: str) -> list[str]:
    said = "; ".join(parts)
    said = said if len(said) <= 400 else f"{said[:400].rpartition('; ')[0]} and more"
    where = f" The whole plan: {full}" if full else ""
    return [f"**Left out, as the comment would be too long:** {_cell(said)}.{where}", ""]


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)


def _sections(plan: Plan) -> Iterator[_Section]:
    for area in Area:
        there = [effect for effect in plan.of(area) if effect.level > Level.NOTE]
        if there:
            head = (f"### {area.value}", "", "| | who | what | why |", "|---|---|---|---|")
            yield _Section(area.value, _WORTH.index(area), head, tuple(map(_row, there)))
    worth = len(_WORTH)
    notes = [effect for effect in plan.effects if effect.level is Level.NOTE]
    if notes:
        rows = tuple(f"- {_cell(item.subject)}: {_cell(item.message)}" for item in notes)
        yield _folded("nobody notices", worth + 2, rows)
    if plan.steps:
        head = (
            f"### roll-out: {rollout_length(plan)}", "", "| after | takes | Application | node pool | what | nodes |",
            "|---:|---:|---|---|---|---:|",
        )  # fmt: skip
        rows = tuple(
            f"| {duration(step.start)} | {duration(step.minutes)} | {step.component} | {step.action.pool} | "
            f"{step.action.action.value}, {step.action.at_once} at once | {step.action.nodes} |"
            for step in plan.steps
        )
        yield _Section("roll-out", worth, head, rows)
    waits = tuple(f"- {item.name}: {_cell(item.waits)}" for item in plan.applications if item.waits)
    if waits:
        yield _Section("what waits", worth + 1, (), waits)
    if plan.notes:
        yield _Section("notes", -1, (), tuple(f"- {_cell(note)}" for note in plan.notes))
    if plan.objects:
        title = f"{len(plan.objects)} {'object' if len(plan.objects) == 1 else 'objects'} of the tree differ"
        rows = tuple("\n".join(_object(item)) for item in plan.objects)
        yield _folded(title, worth + 3, rows, fence="```")


def _object(item: ObjectChange) -> Iterator[str]:
    yield f"{item.mark.value} {item.key}".replace("```", "'''")
    for field in item.fields:
        yield f"    {field_words(field)}".replace("```", "'''")


def _folded(title: str, worth: int, rows: tuple[str, ...], fence: str = "") -> _Section:
    """Fold rows away; blank lines around them make it Markdown again inside the tag."""
    inside = (fence,) if fence else ()
    head = (f"<details><summary>{title}</summary>", "", *inside)
    return _Section(title, worth, head, rows, (*inside, "", "</details>", ""))


def _row(effect: Effect) -> str:
    why = "; ".join(_cause(cause) for cause in effect.causes[:MOST_CAUSES])
    if len(effect.causes) > MOST_CAUSES:
        why += f"; and {len(effect.causes) - MOST_CAUSES} more"
    what = _cell("; ".join((effect.message, *effect_facts(effect))))
    what = "<br>".join((what, *map(_cell, effect.details[:MOST_DETAILS])))
    return f"| {effect.mark.value} | {_cell(effect.subject)} | {what} | {why} |"


def _cause(cause: Cause) -> str:
    place = f"{cause.location.file}:{cause.location.line}" if cause.location.line else cause.location.file
    return f"{_code(place)} {_code(cause.words())}"


def _code(said: str) -> str:
    """Write text that people wrote so that nothing in it acts: no link, no image, nobody is called."""
    flat = " ".join(said.split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _cell(said: str) -> str:
    """Write text for a cell: no new line, no column, no tag, nobody is called by an ``@``."""
    return (
        said.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("@", "@<!-- -->")
    )
