"""Monitoring as data: signals, alerts, panels, routes, and the law that every metric used is collected.

What lives here: visible tuples of what is recorded, alerted and drawn, and pure functions that render them for one
cluster. What may not: files, YAML, or a metric name that the law in ``law.py`` cannot trace to an exporter.
"""
