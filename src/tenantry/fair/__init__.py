"""The fairness engine: who runs, who waits, who is preempted, and why; and the load to ask that of.

Pure functions on jobs, queues and nodes. What may not live here: files, YAML, network, clocks, unseeded randomness.
"""
