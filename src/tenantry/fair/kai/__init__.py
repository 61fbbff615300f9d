"""A model of the KAI scheduler, the open-source core of Run:ai: one cycle, decision by decision.

What lives here: its rules as they are, quirks included, in its own arithmetic (IEEE doubles, exact comparisons). Where
the real scheduler depends on the order of a hash map, age and name decide between jobs and names between all else, and
a seed shuffles them. What may not live here: rules of our own about what would be fair.

Source of every rule: KAI scheduler, pkg/scheduler, v0.15 to v0.17 (Apache-2.0); the file is named where it is applied.
"""
