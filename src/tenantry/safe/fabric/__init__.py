"""Secondary networks: attachments, the physical networks below them, and the facts that keep tenants apart there.

What lives here: readers of NetworkAttachmentDefinitions, SR-IOV and NVIDIA networks. What may not: network policies,
which never count on secondary networks.
"""
