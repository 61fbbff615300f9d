"""Garbage is left where it is for a while only."""

from __future__ import annotations

import gc

from tenantry.exec.garbage import keeping_all


def test_garbage_is_collected_again_afterwards() -> None:
    with keeping_all():
        assert not gc.isenabled()
        with keeping_all():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
