"""The fairness engine: who runs, who waits, who is preempted and why; where pods are placed and what that strands.

What may not live here: files, YAML, the network, clocks, unseeded randomness.
"""
