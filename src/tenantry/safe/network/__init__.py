"""The pod network: who may connect to whom under every kind of network policy, exactly.

What lives here: connection sets, the one representation of all kinds of network policies, their combined evaluation,
workloads and networks read from manifests, and the listing of a whole folder. What may not: tenants and verdicts; the
channels ask this package and judge.
"""
