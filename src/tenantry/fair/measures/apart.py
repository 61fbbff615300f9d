"""The same jobs here and in a static partition: finish-time fairness, and whether sharing pays.

A time below a second, the resolution of a replay, counts as one second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tenantry.fair.measures.histories import NEVER
from tenantry.fair.measures.result import UNFAIR_ABOVE, Apart
from tenantry.fair.measures.spread import bounded_slowdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.fair.measures.histories import Histories
    from tenantry.model.job_table import JobTable


@dataclass(slots=True)
class Meeting:
    """Jobs of a tenant in both replays.

    Attributes:
        compared: jobs that finished in both.
        only_here: jobs that finished here alone.
        only_apart: jobs that finished in the partition alone.
        worst: largest ratio of times, so far known at least.
        worst_open: whether that job had not ended here.
        worst_job: position of that job.
        unfair: jobs above :data:`~tenantry.fair.measures.result.UNFAIR_ABOVE`.
        waits: jobs that ran in both, seconds to their first runs here and there.
        slowdowns: sums of bounded slowdowns here and there, by job.
    """

    compared: int = 0
    only_here: int = 0
    only_apart: int = 0
    worst: float = 0.0
    worst_open: bool = False
    worst_job: int = NEVER
    unfair: int = 0
    waits: list[int] = field(default_factory=lambda: [0, 0, 0])
    slowdowns: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    def note(self, job: int, here: int, apart: int, *, over: bool) -> None:
        """Note times from submission to end; ``here`` is a lower bound unless ``over``."""
        ratio = max(here, 1) / max(apart, 1)
        self.unfair += ratio > UNFAIR_ABOVE
        if ratio > self.worst:
            self.worst, self.worst_open, self.worst_job = ratio, not over, job


def meet(meeting: Meeting, job: int, table: JobTable, here: Histories, apart: Histories) -> None:
    """Note one job that was submitted in both replays."""
    submit, first, first_apart = table.submit[job], here.first[job], apart.first[job]
    if NEVER not in {first, first_apart}:
        meeting.waits[0] += 1
        meeting.waits[1] += first - submit
        meeting.waits[2] += first_apart - submit
    finished, finished_apart = here.end[job], apart.end[job]
    if finished_apart == NEVER:
        meeting.only_here += finished != NEVER
        return
    if finished == NEVER:
        meeting.only_apart += 1
        meeting.note(job, here.last - submit, finished_apart - submit, over=False)
        return
    meeting.compared += 1
    meeting.note(job, finished - submit, finished_apart - submit, over=True)
    for numbers, time in zip(meeting.slowdowns, (finished, finished_apart), strict=True):
        numbers.append(bounded_slowdown(time - submit, table.duration[job]))


def apart_of(meetings: Sequence[Meeting], table: JobTable) -> Apart | None:
    """Put what several tenants' jobs came to together; None where nothing was compared."""
    if not meetings:
        return None
    worst = max(meetings, key=lambda each: (each.worst, -each.worst_job))
    waited, here, there = (sum(each.waits[position] for each in meetings) for position in range(3))
    compared = sum(each.compared for each in meetings)
    slow, slow_apart = (
        math.fsum(value for each in meetings for value in each.slowdowns[side]) / compared if compared else None
        for side in (0, 1)
    )
    return Apart(
        compared=compared,
        only_here=sum(each.only_here for each in meetings),
        only_apart=sum(each.only_apart for each in meetings),
        worst=worst.worst if worst.worst_job != NEVER else None,
        worst_open=worst.worst_open,
        worst_job=table.name(worst.worst_job) if worst.worst_job != NEVER else "",
        worst_tenant=table.tenants[table.tenant[worst.worst_job]] if worst.worst_job != NEVER else "",
        unfair=sum(each.unfair for each in meetings),
        wait_here=here / waited if waited else None,
        wait_apart=there / waited if waited else None,
        slowdown_here=slow,
        slowdown_apart=slow_apart,
    )
