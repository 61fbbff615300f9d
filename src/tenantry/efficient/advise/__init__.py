"""The decision matrix for sharing: whole GPU, each MIG profile, MPS and time-slicing for each class of work and pool.

What lives here: the facts a decision reads, the hard rules, the score, the decision with what would change it, and the
words for all of that. What may not: reading specs or tables, and choosing how many slices a pool is cut into.
"""

from tenantry.efficient.advise.advice import Advice, Cell, Standing, advise, clashes
from tenantry.efficient.advise.decide import Decision, decide
from tenantry.efficient.advise.facts import PoolFacts, Speed, WorkFacts
from tenantry.efficient.advise.gather import Gathered, gather
from tenantry.efficient.advise.option import Option, options
from tenantry.efficient.advise.rules import RULES

__all__ = [
    "RULES",
    "Advice",
    "Cell",
    "Decision",
    "Gathered",
    "Option",
    "PoolFacts",
    "Speed",
    "Standing",
    "WorkFacts",
    "advise",
    "clashes",
    "decide",
    "gather",
    "options",
]
