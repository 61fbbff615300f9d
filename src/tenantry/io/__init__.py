"""Files and YAML: the only package that knows either.

Reads specs and manifests into model objects with their positions, writes YAML in the dialect the Kubernetes API server
reads, and swaps whole trees in. Library exceptions end here, translated. No rule about the platform lives here.
"""
