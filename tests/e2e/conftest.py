"""Hands the fixtures and hooks of end-to-end tests to pytest; type checkers know the module beside by its name."""

from e2e_fixtures import *  # noqa: F403
