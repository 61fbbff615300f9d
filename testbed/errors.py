"""What can keep a testbed from starting.

TestbedError           the testbed could not do its work; ``str()`` is the message for people
└── MissingToolError   a binary, a compiler or a package is absent; tests that need it are skipped with the message
"""

from __future__ import annotations


class TestbedError(Exception):
    """The testbed could not do its work; the message says what was expected, what was found and what helps."""

    __test__ = False


class MissingToolError(TestbedError):
    """Something has to be installed or built first; the message says how."""
