"""The nouns: spec documents, manifests, quantities, GPUs, findings, the resolved cluster.

Pure data with the small functions that belong to a noun. Nothing here reads a file, a clock or the network, and
nothing here imports another Tenantry package except :mod:`tenantry.errors`.
"""
