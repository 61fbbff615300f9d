"""Tenantry compiles, verifies and audits a multi-tenant GPU platform described by a few files in Git.

The package is layered; see ``docs/architecture.md``. Nothing is imported here so that ``tenantry --help`` stays fast.
"""

__version__ = "0.1.0"
