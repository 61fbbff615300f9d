"""Git: the only package that starts the git command.

Reads revisions without touching the work tree or the index, and makes commits; never pushes, fetches or rewrites. The
user's configuration, hooks and credentials are Git's own business. What may not live here: what the files mean.
"""

from tenantry.git.files import files_at
from tenantry.git.repository import Commit, Range, Repository, parse_range

__all__ = ["Commit", "Range", "Repository", "files_at", "parse_range"]
