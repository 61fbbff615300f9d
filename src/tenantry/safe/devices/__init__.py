"""Nodes and who may get which devices on them, shared by the channels of GPUs and of fabrics.

What lives here: nodes as objects describe them, pods a tenant could submit, and the tenants that can request a device.
What may not: verdicts of channels; those are made in :mod:`tenantry.safe.channels`.
"""
