"""Spec to manifests: an ordered tuple of passes, each a pure function of the resolved cluster.

What lives here: resolving a spec against the catalog, the rules between documents, one module per pass, the builders
passes share. What may not: files, YAML, clocks, the network; a pass never looks at what another pass made.
"""
