"""The efficiency engine: how each GPU is shared, how it is partitioned, and whether what was promised can be held.

What lives here: the decision matrix for sharing, the plan of MIG layouts, and the feasibility of guarantees. What may
not: files, the network, clocks, or a solver library; programs are handed to a solver that the caller brings.
"""
