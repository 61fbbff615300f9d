"""Measures of a replay: what every tenant and queue got, what it was due, and what the cluster was used for.

What lives here: pure functions from a log, the jobs and the cluster to results, series over time and findings. What may
not: replaying anything, files, or how results look.

How to use it::

    log = replay(policy.setup, table, policy.scheduler)
    apart = replay(partition.setup, table, partition.scheduler)  # policies.static_partition
    named = study("fair-share", log, table, setup, isolated=apart)  # setup: as its owner wrote it, not policy.setup
    report = Report("ai-factory", "8,152 jobs of pods.csv", (PoolResults("h200", (named, *others)),))
    shown = hide_others_in(report, tenant="vision")  # only for --as-tenant
    page = RENDERERS["html"](shown)  # cli/render/simulation.py: text, json, md, html

Replays of a node pool are laid side by side; differences are to the first. ``measure`` alone gives a result,
``timeline`` series over time, ``gantts`` what became of chosen jobs, and ``compare`` the differences as values.
``event_batches`` and ``job_batches`` give rows in words for files, which ``io/rows.py`` writes. ``MEASURES`` and
``RULES`` are the lists that docs/measures.md is written from.
"""

from __future__ import annotations

from tenantry.fair.measures.compare import Compared, compare
from tenantry.fair.measures.gantt import Gantt, gantts, notable
from tenantry.fair.measures.hiding import Disguise, hide_others, hide_others_in
from tenantry.fair.measures.measure import measure, study, timeline
from tenantry.fair.measures.named import NamedResult, PoolResults, Report
from tenantry.fair.measures.result import Measured, Result
from tenantry.fair.measures.timeline import Timeline

__all__ = [
    "Compared",
    "Disguise",
    "Gantt",
    "Measured",
    "NamedResult",
    "PoolResults",
    "Report",
    "Result",
    "Timeline",
    "compare",
    "gantts",
    "hide_others",
    "hide_others_in",
    "measure",
    "notable",
    "study",
    "timeline",
]
