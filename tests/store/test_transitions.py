"""May a person do that to an invoice now? The table of the states, walked whole, and two people who act on one invoice at once."""

from __future__ import annotations

from w365core import lifecycle
from w365core.model import StatusReason


def test_every_state_can_be_left_and_reached():
    reasons = [None, *StatusReason]
    assert {reason for step in lifecycle.STEPS for reason in step.before} == set(reasons)
    assert {step.after for step in lifecycle.STEPS} == set(reasons)


def test_an_active_invoice_is_not_imported_again_and_every_other_one_is():
    assert not lifecycle.allows("import", StatusReason.ACTIVE)
    assert not lifecycle.allows("import", "Active Usage")
    assert all(lifecycle.allows("import", reason) for reason in (None, *StatusReason) if reason is not StatusReason.ACTIVE)
