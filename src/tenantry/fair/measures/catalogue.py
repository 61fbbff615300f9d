"""The list of measures: what each is, how it is reckoned, and how to read it. Outputs and docs are written from it."""

from __future__ import annotations

from typing import Final

from tenantry.fair.measures.kind import (
    ANY,
    OWNERS,
    Better,
    Group,
    Measure,
    Text,
    Unit,
    count,
    hours_of,
    share,
    share_hours,
    spread,
    whole,
    whole_hours,
)
from tenantry.fair.measures.result import Measured, Result, Spread, Stretch

_PAPER = "Feitelson et al., JSSPP 1997"
_KAI = "KAI scheduler v0.17, plugins/proportion/resource_division"
_JAIN = "Jain, Chiu, Hawe 1984"
_THEMIS = "Themis, NSDI 2020; Sia, SOSP 2023"
_INCENTIVE = "sharing incentive: Ghodsi et al., NSDI 2011"
_GOODPUT = "Google, ML Productivity Goodput, 2025"
_FGD = "after fragmentation in FGD, USENIX ATC 2023, with the jobs that wait in place of typical ones"


def _longest(seconds: int | None, stretch: Stretch | None) -> float | None:
    return None if seconds is None else stretch.length if stretch is not None else 0


SHARES = Group(
    "Shares",
    "Of every queue at every level, and of every tenant that has a queue for itself. A queue *asks for* (`demand`) the "
    "GPUs of all its jobs from their submission to their end, except jobs that can never run; it *holds* (`held`) GPUs "
    "from the second a pod has a place until it ends or is told to leave. It is *due* the smaller of its fair share "
    "and what it asks for; while nobody waits, all it asks for. The fair share is the scheduler's own division of the "
    "cluster (quota first, the rest by priority and weight, no queue above its limit, level by level), reckoned from "
    "demand at each moment, without past usage, whatever the replay was scheduled by. A quota without a bound counts "
    "as the whole cluster. Jobs are not divisible: a queue that is due 7 GPUs and runs jobs of 4 loses 3. Where quotas "
    "add up to more than the cluster, not everything that is due can be held. Integrals run from the first submission "
    "to the end of the replay.",
    (
        share(
            ("quotaSatisfaction", "quota satisfaction"),
            Unit.PART,
            Better.HIGHER,
            Text(
                "∫ min(held, quota, demand) / ∫ min(quota, demand)",
                "100 %: the guarantee held whenever it was asked for. Unknown for a queue that never asked.",
                "the guarantee of KAI, Run:ai and Kueue, over time",
            ),
            lambda shares: shares.satisfaction,
        ),
        share_hours(
            "shareLossGpuHours",
            "share loss",
            Better.LOWER,
            Text("∫ max(0, due - held)", "What was its due and it went without: starvation.", _KAI),
            lambda shares: shares.loss,
        ),
        share_hours(
            "overShareGpuHours",
            "over-share",
            Better.NEITHER,
            Text("∫ max(0, held - due)", "Held beyond its due while somebody waited: others' share loss.", _KAI),
            lambda shares: shares.over,
        ),
        share(
            ("normalisedShare", "normalised share"),
            Unit.PART,
            Better.HIGHER,
            Text(
                "∫ held / ∫ due, both over the seconds with demand > held",
                "100 %: it held what it was due while it had jobs that waited. Unknown without such seconds.",
                _JAIN,
            ),
            lambda shares: shares.normalised,
        ),
        share_hours("heldGpuHours", "held", Better.NEITHER, Text("∫ held"), lambda shares: shares.held),
        share_hours("dueGpuHours", "due", Better.NEITHER, Text("∫ due", source=_KAI), lambda shares: shares.due),
        share_hours(
            "demandGpuHours",
            "asked for",
            Better.NEITHER,
            Text("∫ demand", "Grows with every second a job waits; it is not the work there was to do."),
            lambda shares: shares.demand,
        ),
        share_hours(
            "borrowedGpuHours",
            "borrowed",
            Better.NEITHER,
            Text("∫ max(0, held - quota)", "Held above its quota."),
            lambda shares: shares.borrowed,
        ),
        share_hours(
            "lentGpuHours",
            "lent",
            Better.NEITHER,
            Text(
                "∫ max(0, quota - demand) · taken / unused, where among siblings unused = Σ max(0, quota - held) and "
                "taken = min(unused, Σ max(0, held - quota) - spare), spare being what the queue above is guaranteed "
                "and none of them is",
                "Its quota that it did not ask for and siblings used. Spare GPUs count as used first, and what is "
                "taken comes from all unused quotas in proportion. Quota that it asked for and others held is not "
                "lent; quota satisfaction shows that.",
            ),
            lambda shares: shares.lent,
        ),
        share(
            ("longestBelowDueSeconds", "longest below due"),
            Unit.SECONDS,
            Better.LOWER,
            Text(
                "longest time without a break in which a job waited that lacked no more than due - held",
                "Reclaiming takes minutes; hours mean that something stands in the way. Unknown above the leaves.",
                _KAI,
            ),
            lambda shares: _longest(shares.starved_seconds, shares.starved),
        ),
        share(
            ("longestBelowQuotaSeconds", "longest below quota"),
            Unit.SECONDS,
            Better.LOWER,
            Text(
                "longest time without a break in which a job waited that lacked no more than quota - held",
                "The same for the guarantee.",
                _KAI,
            ),
            lambda shares: _longest(shares.owed_seconds, shares.owed),
        ),
    ),
)


def _first(subject: Measured) -> Spread | None:
    return subject.waits[0].first


def _total(subject: Measured) -> Spread | None:
    return subject.waits[0].total


WAITS = Group(
    "Waits and slowdowns",
    "Percentiles are values of a job (nearest rank). A job that has not run or ended when the replay ends counts with "
    "what it had reached by then; a statistic that such jobs may still raise is a lower bound, printed with ≥. Jobs "
    "that can never run have no wait. Outputs give waits by job size as well, by GPUs of the whole job: 1 or less, 2 "
    "to 8, 9 to 64, more than 64.",
    (
        *spread(
            ("wait", "wait", "Seconds"),
            Unit.SECONDS,
            Text(
                "the time from submission to the first second in which all pods run",
                "The delay a user feels.",
                "queueing delay: Philly, ATC 2019; Helios, SC 2021; PAI, NSDI 2022",
            ),
            _first,
        ),
        *spread(
            ("totalWait", "total wait", "Seconds"),
            Unit.SECONDS,
            Text(
                "the seconds from submission to end in which not all pods run, after evictions too",
                "Above the wait by what evictions cost in queueing.",
            ),
            _total,
        ),
        *spread(
            ("slowdown", "bounded slowdown", ""),
            Unit.TIMES,
            Text(
                "max(1, (end - submission) / max(work, 60 s))",
                "1: no delay at all; 10: ten times as long as alone on the cluster. Work below a minute counts as one, "
                "or short jobs would decide it.",
                _PAPER,
            ),
            lambda subject: subject.slowdown,
        ),
    ),
)

EVICTIONS = Group(
    "Evictions",
    "One eviction is a decision against pods of one job, by one action (`reclaim`: for another queue; `preempt`: for a "
    "job of the same queue; `consolidation`: to move it; `stalegangeviction`: because its gang stayed incomplete), for "
    "one cause. *Others* are tenants outside of the subject. Work is lost back to the last checkpoint. Outputs give "
    "evictions by action as well.",
    (
        count("evictionsSuffered", "evictions", Text("decisions against its jobs"), lambda one: one.evictions.count),
        count(
            "evictionsCaused",
            "evictions caused",
            Text("decisions against jobs of others for its jobs", "What its work did to others."),
            lambda one: one.evictions.count_caused,
        ),
        count("jobsEvicted", "jobs evicted", Text("jobs evicted at least once"), lambda one: one.evictions.jobs),
        hours_of(
            "lostGpuHours",
            "work lost",
            ANY,
            Text("Σ seconds of work lost with evictions · GPUs of the job", "Done, and to be done again.", _GOODPUT),
            lambda one: one.evictions.lost,
        ),
        hours_of(
            "lostToOthersGpuHours",
            "work lost to others",
            OWNERS,
            Text("the part of it lost with evictions for jobs of others", source=_GOODPUT),
            lambda one: one.evictions.lost_to_others,
        ),
        hours_of(
            "costToOthersGpuHours",
            "work others lost for it",
            OWNERS,
            Text("work that others lost with evictions for its jobs", "The price others paid.", _GOODPUT),
            lambda one: one.evictions.cost_others,
        ),
    ),
)


def _of_apart(one: Measured, name: str) -> float | None:
    return None if one.apart is None else getattr(one.apart, name)


def _apart(key: str, title: str, unit: Unit, text: Text, name: str) -> Measure:
    def bound(one: Measured) -> bool:
        return name == "worst" and one.apart is not None and one.apart.worst_open

    return Measure(key, title, unit, Better.LOWER, text, ANY, lambda one, _: _of_apart(one, name), bound)


APART = Group(
    "Against a static partition",
    "Known where the same trace was replayed with every queue's part of the cluster for itself. Means are over jobs "
    "that ran, or finished, in both. A time below one second counts as one.",
    (
        _apart(
            "finishTimeFairnessWorst",
            "worst finish-time fairness",
            Unit.TIMES,
            Text(
                "largest ρ = (end - submission) here / (end - submission) in the partition",
                "Above 1 the job ended later than it would have alone. A lower bound where it had not ended here.",
                _THEMIS,
            ),
            "worst",
        ),
        _apart(
            "finishTimeUnfairPart",
            "jobs treated unfairly",
            Unit.PART,
            Text("jobs with ρ > 1.05 / jobs that finished in the partition", source=_THEMIS),
            "unfair_part",
        ),
        _apart(
            "waitRatioToPartition",
            "wait against partition",
            Unit.TIMES,
            Text(
                "mean wait here / mean wait in the partition",
                "Below 1 sharing pays. Unknown where nobody waited in the partition.",
                _INCENTIVE,
            ),
            "wait_ratio",
        ),
        _apart(
            "slowdownRatioToPartition",
            "slowdown against partition",
            Unit.TIMES,
            Text("mean bounded slowdown here / in the partition", "Below 1 sharing pays.", _INCENTIVE),
            "slowdown_ratio",
        ),
    ),
)

JOBS = Group(
    "Jobs",
    "Finished, unfinished, waiting and impossible jobs add up to those submitted. Jobs of the trace that were not "
    "replayed are listed with the reason and belong to none of these.",
    (
        count("jobsSubmitted", "jobs submitted", Text("jobs that were submitted"), lambda one: one.jobs.submitted),
        count("jobsFinished", "jobs finished", Text("jobs that finished"), lambda one: one.jobs.finished),
        count(
            "jobsUnfinished",
            "jobs unfinished",
            Text("jobs that ran and had not finished at the end"),
            lambda one: one.jobs.unfinished,
        ),
        count(
            "jobsWaiting",
            "jobs that never ran",
            Text("jobs that never ran though they could"),
            lambda one: one.jobs.waiting,
        ),
        count(
            "jobsImpossible",
            "jobs that cannot run",
            Text(
                "jobs that never ran and are larger than every node, all nodes, a limit or, where they may not be "
                "evicted, a quota",
                "Listed with the reason.",
            ),
            lambda one: one.jobs.impossible,
        ),
    ),
)


def _useful(outcome: str, result: Result) -> int:
    return result.whole.useful[outcome]


CLUSTER_GROUP = Group(
    "Cluster",
    "Where GPU-time went, from the first submission to the end of the replay; every milli-GPU-second is booked once, "
    "and the parts add up to the capacity. Outputs give the same for the time from the first to the last submission: "
    "after it the cluster only empties, which says more about the trace than about the scheduler.",
    (
        whole(
            ("allocationBusy", "allocation until last submission"),
            Unit.PART,
            Better.HIGHER,
            Text("GPU-time held by pods / capacity, first to last submission", "The figure to compare replays by."),
            lambda result: result.busy.allocation,
        ),
        whole(
            ("allocationWhole", "allocation until the end"),
            Unit.PART,
            Better.HIGHER,
            Text("GPU-time held by pods / capacity, first submission to end"),
            lambda result: result.whole.allocation,
        ),
        whole_hours(
            "usefulGpuHours",
            "useful work",
            Better.HIGHER,
            Text("GPU-time of work that was kept", "Work of jobs that still ran at the end counts.", _GOODPUT),
            lambda result: result.whole.kept,
        ),
        whole_hours(
            "usefulInFailedGpuHours",
            "useful work, jobs that failed",
            Better.LOWER,
            Text(
                "the part of it in jobs whose outcome in the trace is failed",
                "No scheduler changes it, but it is spent.",
                "outcomes by GPU-time: Acme, NSDI 2024",
            ),
            lambda result: _useful("failed", result),
        ),
        whole_hours(
            "usefulInCancelledGpuHours",
            "useful work, jobs cancelled",
            Better.NEITHER,
            Text("the part of it in jobs whose outcome in the trace is cancelled", "Not all of it is waste."),
            lambda result: _useful("cancelled", result),
        ),
        whole_hours(
            "workLostGpuHours",
            "lost work",
            Better.LOWER,
            Text("GPU-time of work lost with evictions", source=_GOODPUT),
            lambda result: result.whole.lost,
        ),
        whole_hours(
            "startupGpuHours",
            "start-up",
            Better.LOWER,
            Text("GPU-time held before work begins, at every start", source=_GOODPUT),
            lambda result: result.whole.startup,
        ),
        whole_hours(
            "incompleteGpuHours",
            "incomplete gangs",
            Better.LOWER,
            Text("GPU-time held by pods of jobs that lacked others of their pods"),
            lambda result: result.whole.incomplete,
        ),
        whole_hours(
            "leavingGpuHours",
            "leaving",
            Better.LOWER,
            Text("GPU-time held by evicted pods that were going"),
            lambda result: result.whole.leaving,
        ),
        whole_hours(
            "freeUnwantedGpuHours",
            "free, not asked for",
            Better.NEITHER,
            Text("∫ max(0, free - waiting demand)", "No scheduler can use it."),
            lambda result: result.whole.unwanted,
        ),
        whole_hours(
            "freeTooSmallGpuHours",
            "free, too little for any job",
            Better.LOWER,
            Text(
                "∫ min(free, waiting demand) while the smallest waiting job lacks more than is free in all",
                "No placement could use it.",
                _FGD,
            ),
            lambda result: result.whole.too_small,
        ),
        whole_hours(
            "freeBlockedGpuHours",
            "free, enough for a waiting job",
            Better.LOWER,
            Text(
                "∫ min(free, waiting demand) while the smallest waiting job lacks no more than is free in all",
                "Kept from it by placement (fragments on nodes, GPU models, CPU, memory), by limits, or by the order "
                "in which jobs are served; a log does not say which. An upper bound of fragmentation.",
                _FGD,
            ),
            lambda result: result.whole.blocked,
        ),
        whole(
            ("jainIndex", "Jain index"),
            Unit.PART,
            Better.HIGHER,
            Text(
                "(Σ x)² / (n · Σ x²), x the normalised share of each queue that takes jobs and had backlog",
                "100 %: all alike; 1/n: one has it all. Queues that never waited are not counted, and are named.",
                _JAIN,
            ),
            lambda result: result.fairness.jain,
        ),
        whole(
            ("worstNormalisedShare", "worst normalised share"),
            Unit.PART,
            Better.HIGHER,
            Text("min x over the same queues", "The queue it is of is named.", "max-min fairness"),
            lambda result: result.fairness.worst,
        ),
        whole_hours(
            "shareLossTotalGpuHours",
            "share loss, all queues",
            Better.LOWER,
            Text("Σ share loss of queues that take jobs", source=_KAI),
            lambda result: result.fairness.loss,
        ),
    ),
)

GROUPS: Final = (CLUSTER_GROUP, SHARES, WAITS, EVICTIONS, APART, JOBS)
"""All measures by what they are about."""

MEASURES: Final = tuple(measure for group in GROUPS for measure in group.measures)
"""All measures."""

BY_KEY: Final = {measure.key: measure for measure in MEASURES}
"""All measures by key."""
