"""What each channel asks, in a sentence: when it is violated. Data for reference pages."""

from __future__ import annotations

from typing import Final

VIOLATED_WHEN: Final = {
    # Pod network and services
    "N1": "A pod of one tenant can open a connection to a pod of another that no exception of the contract names. Its "
    "labels are free unless admission pins them, so rules keyed on them alone let everybody in.",
    "N2": "A tenant may run pods on the host network: their traffic is the node's, which network policies let in.",
    "N3": "A tenant owns, or may label, a namespace that rules take for the ingress router or the host network.",
    "N4": "A tenant may create a Service with external IPs, and so take traffic meant for another (CVE-2020-8554).",
    "N5": "A tenant may write Endpoints or EndpointSlices, by which a shared proxy reaches pods of another "
    "(CVE-2021-25740).",
    "N6": "A tenant may change the firewall or the address of its own egress, or shares that address with another.",
    "N7": "Two tenants are in one user-defined network, something joins theirs, or a port is open across networks.",
    "N8": "A tenant may write the configuration of DNS or of another service that all depend on.",
    # Secondary networks and RDMA
    "X1": "A tenant may write NetworkAttachmentDefinitions, which hold arbitrary network configuration of the node.",
    "X2": "A tenant can attach a pod to a secondary network of another.",
    "X3": "Secondary networks of two tenants are one below: same fabric, same VLAN or none; no rule acts there.",
    "X4": "A virtual function of a tenant may change its address, listen to others or choose its own VLAN.",
    "X5": "Virtual functions of two tenants share a port without limits, so that one can take all of its bandwidth.",
    "X6": "A MultiNetworkPolicy stands where nothing enforces it: it is off, or the interface bypasses the kernel.",
    "X7": "RDMA devices are visible from every network namespace of the node.",
    "X8": "A device plugin hands one RDMA device to pods of several tenants.",
    "X9": "Two tenants share an InfiniBand partition, or nothing sets partitions at all.",
    "X10": "A host can act as the manager of the InfiniBand subnet.",
    "X11": "Devices of two tenants can reach each other's memory over PCIe without the IOMMU checking.",
    "X12": "Two tenants share an NVLink domain without partitions, or a tenant may ask for IMEX channels by itself.",
    # GPUs
    "G1": "A container gets GPUs it did not ask for by NVIDIA_VISIBLE_DEVICES, in the pod or baked into the image.",
    "G2": "A pod gets GPUs it did not ask for by an annotation, because the toolkit's NRI plug-in is on.",
    "G3": "A pod gets GPUs it did not ask for by a mount of device files or of the toolkit's volume paths.",
    "G4": "Pods of two tenants can get the same GPU by time-slicing: no memory protection, one fault stops all.",
    "G5": "Pods of two tenants can get the same GPU through MPS: a fatal fault of one client ends the others.",
    "G6": "A MIG instance is shared out again among tenants, by time-slicing or as its compute instances.",
    "G7": "A scheduler hands fractions of one GPU to several tenants; their memory limits are not enforced.",
    "G8": "A GPU goes from one tenant to the next and nothing clears its memory in between.",
    "G9": "A version of the driver, toolkit or operator is installed that lets a container take over its node.",
    "G10": "A tenant has rights in a namespace whose pods have power over nodes, such as that of the GPU operator.",
    "G11": "A tenant can claim devices that others use, by adminAccess of dynamic resource allocation.",
    "G12": "A tenant can read the metrics of all GPUs, with names of others' namespaces and pods.",
    # Host
    "H1": "A namespace of a tenant admits a pod with a way to the node: privileged, host paths, host namespaces, added "
    "capabilities.",
    "H2": "A tenant may change labels of a namespace, on which Pod Security, guards and network rules rest.",
    "H3": "A service account a tenant can give a pod may use security context constraints that let it reach the node.",
    "H4": "Containers of several tenants run on one kernel, and nobody has accepted that.",
    # API and identities
    "A1": "A tenant may escalate, bind or impersonate, and so come to rights beyond its own namespaces.",
    "A2": "A tenant may exec into, attach to, debug or proxy to pods of others, or reach them through the kubelet.",
    "A3": "A tenant may read secrets or make tokens of others, or run a pod as somebody stronger.",
    "A4": "A tenant may write objects that concern the whole cluster.",
    "A5": "An admission webhook is answered by a tenant, or one that guards tenants lets everything in when it fails.",
    "A6": "A role is added to admin, edit or view that hands tenants a dangerous right.",
    "A7": "A tenant may write a custom resource by which an operator acts outside the tenant's namespaces.",
    "A8": "Everybody, or everybody who can log in, has rights beyond what Kubernetes gives by itself.",
    # Quotas, queues and scheduling
    "Q1": "A namespace is not bounded in something others need, or the tenant may change the bound.",
    "Q2": "A tenant may use a priority that preempts pods of others, and nothing limits how much.",
    "Q3": "Work of a tenant can stand in a queue of another and use its share.",
    "Q4": "Work of a tenant can preempt work of another within what that one is guaranteed.",
    "Q5": "A tenant can run on GPUs without standing in a queue.",
    "Q6": "Requests of a tenant to the API server take the attention of the cluster's own.",
    "Q7": "A tenant may create any number of some kind of object and fill the API server's store.",
    "Q8": "Pods of a tenant can run on nodes set aside for another.",
    # Storage and images
    "P1": "A claim of a tenant can bind a volume that holds data of another.",
    "P2": "Volumes of two tenants lie in one place, or a pod may mount a share by itself.",
    "P3": "A snapshot, a clone or a grant hands data of one tenant to another.",
    "P4": "A private image in a node's cache runs for whoever names it.",
    # Delivery
    "D1": "An Argo CD project a tenant uses admits namespaces of others, all namespaces or kinds of the whole cluster.",
    "D2": "A tenant may write Applications where these may name any project.",
    "D3": "Whoever can push to a repository that is synced could write what its author may not.",
    # Shared services
    "C1": "A tenant may claim a host name of another, or one above it.",
    "C2": "A shared ingress controller takes configuration snippets from tenants, or reads all secrets for them.",
    "C3": "A tenant can query metrics of others.",
    "C4": "A tenant can read logs of others.",
    # Noise
    "R1": "Pods of two tenants share a node, and nothing bounds its memory, processes or scratch space for each.",
    "R2": "Work of two tenants shares links, power or cooling of a node, and nothing keeps one from slowing the other.",
}
"""When each channel is violated, in the order of channels."""
