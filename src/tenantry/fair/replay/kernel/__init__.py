"""The fast replay: the same decisions as the literal model of the scheduler, much faster, where it applies.

What lives here: the rules of :mod:`tenantry.fair.kai` for whole GPUs and rigid gangs, on flat sequences of numbers that
are kept up to date from cycle to cycle instead of being built anew. Every function runs in two ways with the same
result: as it stands on lists, and compiled on arrays (:mod:`.compiled`). What may not live here: rules that the literal
model does not have. That both give the same log, row by row, is what the tests of this package are about.
"""
