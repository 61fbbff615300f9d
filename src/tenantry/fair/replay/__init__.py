"""Replays of traces on a scheduler: submissions, run times, ends and evictions, second by second.

What lives here: the clock, the log of what happened, and ways to lay out the same work otherwise (first come first
served, a static partition). What may not live here: rules of a scheduler, or measures of what the log shows.
"""
