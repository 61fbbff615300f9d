"""The fairness engine: who runs, who waits, who is preempted and why; where pods are placed and what that strands.

What lives here: models of schedulers that decide as the real ones do, replays of traces on them, and the measures of
what each tenant got. What may not: files, YAML, the network, clocks, or randomness without a seed.
"""
