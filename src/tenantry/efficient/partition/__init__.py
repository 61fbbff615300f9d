"""Partition plans: which MIG layout every GPU of a pool gets, so that what is wanted is served with few changes.

What lives here: layouts around pinned instances, the program a solver gets, plans made from its solution, the greedy
baseline, and the validator. What may not: files, solvers, clocks; the validator shares nothing with the planner.
"""
