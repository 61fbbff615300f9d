"""Packing: pods fill an empty cluster under a placement policy; what is given out, what is stranded, and what ties do.

``run.pack`` is one run, ``compare`` puts runs together. What may not live here: time (nothing ends, nothing waits),
queues and tenants, and a score that is not published.
"""
