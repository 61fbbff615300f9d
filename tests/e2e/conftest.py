"""Hands the fixtures and hooks of end-to-end tests to pytest; they lie beside, where type checkers know their names."""

from e2e_fixtures import *  # noqa: F403
