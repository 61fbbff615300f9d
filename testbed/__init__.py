"""A real control plane on loopback for tests: etcd, kube-apiserver, its controllers, and simulated GPU nodes.

Lives here: getting the binaries, starting and removing clusters, a small client, and putting trees and nodes into them.
Not here: what is compared with the server (``tests/e2e``), and anything the product itself runs.
"""
