"""Solvers: the only place that knows one.

Takes a program of ``model/program.py`` and returns what came of it. What may not live here: what a program is about.
"""
