"""Are lines passed over as plainly agreeing only where all the rules would say no more of them?"""

from __future__ import annotations

import pytest

from tests.reconcile.invoices import OCTOBER, line, log, reconciled, subscription
from w365core.reconcile import agreeing

OURS = [log("10", "2026-01-01")]
DIFFERENT = {
    "a credit is no charge": ([line(subtotal="-40")], None, OURS),
    "a window without a day has no snapshot": ([line(window=(None, OCTOBER[1]))], None, None),
    "no line without a quantity agrees": ([line(quantity=None, subtotal="0")], [subscription("0")], None),
    "our quantity is not known": ([line(quantity="0", subtotal="0")], [subscription(None)], None),
    "we deactivated it before": ([line()], None, [*OURS, log("0", "2026-09-10", event="Deactivate")]),
    "the provider cancelled it before": (
        [line("cancelImmediate", "10", "-40", window=(OCTOBER[0].replace(month=9), OCTOBER[0].replace(month=9, day=30))), line()],
        None,
        OURS,
    ),
    "we held other seats on the day": ([line()], None, [log("7", "2026-01-01"), log("3", "2026-10-10")]),
    "the window has two lines": ([line(), line("addQuantity", "2", "8")], None, OURS),
    "the amount is off": ([line(subtotal="41")], None, OURS),
    "the price is above list": ([line(unit_price="3")], None, OURS),
    "it is no cycle": ([line("convert")], None, OURS),
    "seats of more digits": ([line("10", "1" + 30 * "0", subtotal="4" + 30 * "0")], [subscription("1" + 30 * "0")], None),
}
PLAIN = {
    "our seats": ([line()], None, OURS),
    "no change logs": ([line()], None, None),
    "parts of seats": ([line(quantity="2.50", subtotal="10.00")], [subscription("2.5")], [log("2.5", "2026-01-01")]),
    "logs that never came to ours": ([line()], None, [log("7", "2026-01-01")]),
}


@pytest.mark.parametrize(
    "given,plainly", [*((one, 0) for one in DIFFERENT.values()), *((one, 1) for one in PLAIN.values())], ids=[*DIFFERENT, *PLAIN]
)
def test_a_line_is_passed_over_only_where_nothing_more_is_said_of_it(given, plainly, monkeypatch):
    found, really = [], agreeing.agreed
    monkeypatch.setattr(agreeing, "agreed", lambda *given: found.append(really(*given)) or found[-1])
    said = reconciled(*given)
    assert [len(one) for one in found] == [plainly]
    monkeypatch.setattr(agreeing, "agreed", lambda *_: agreeing.none())
    assert said == reconciled(*given)
