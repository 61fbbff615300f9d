"""The safety engine: whether one tenant can reach, read, change, starve or observe another, or a proof that none can.

What lives here: the semantics of every channel between tenants, the capability graph, and the witnesses that back each
verdict. What may not: files, YAML, the network, clocks; and any verdict without a reason: what cannot be decided from
the objects is UNKNOWN and names the fact that is missing.
"""
