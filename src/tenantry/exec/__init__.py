"""Processes: the only place that starts any, or sets how this one runs.

Spreads work that is a function of its arguments over cores and gives results back in the order of the work. What may
not live here: what the work is about.
"""
