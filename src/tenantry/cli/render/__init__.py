"""Turning results into text: terminal, JSON, SARIF, JUnit, Markdown, HTML. Pure functions from results to strings."""
