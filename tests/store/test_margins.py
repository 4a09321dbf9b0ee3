"""Does the margin sell a license for as many months as the reconciliation says that its window has?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, example, given, settings, strategies as st
from sqlalchemy import Engine, text

from w365core.reconcile.calendar_months import months_later, whole_months
from w365core.store import margins

_DAY = timedelta(days=1)
_starts = st.dates(date(2024, 1, 1), date(2028, 12, 31))
_ends = st.one_of(  # whole months by either way to clamp, and a day about them; and any other days
    st.tuples(st.integers(1, 37), st.sampled_from([-1, 0, 1]), st.booleans()), st.integers(-3, 800)
)


def _end(start: date, end: int | tuple[int, int, bool]) -> date:
    if isinstance(end, int):
        return start + timedelta(days=end)
    months, days, clamped_first = end
    whole = months_later(start, months) - _DAY if clamped_first else months_later(start - _DAY, months)
    return whole + timedelta(days=days)


@given(st.lists(st.tuples(_starts, _ends), min_size=1, max_size=50))
@example([(date(2024, 2, 29), 365), (date(2026, 8, 31), 91), (date(2026, 1, 31), 28), (date(2026, 1, 30), 29), (date(2026, 1, 1), 30)])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_months_of_a_window_are_those_of_the_reconciliation(engine: Engine, drawn: list) -> None:
    windows = [(start, _end(start, end)) for start, end in drawn]
    asked = text(f"""
        select {margins.MONTHS} from unnest(cast(:starts as date[]), cast(:ends as date[])) with ordinality l(charge_start, charge_end, place)
        {margins.ABOUT} order by place
    """)
    with engine.connect() as connection:
        found = connection.execute(asked, {"starts": [start for start, _ in windows], "ends": [end for _, end in windows]}).scalars().all()
    for (start, end), months in zip(windows, found, strict=True):
        whole = whole_months(start, end)
        if whole is not None:
            assert months == whole, (start, end)
        else:
            days_of_month = (months_later(start.replace(day=1), 1) - start.replace(day=1)).days
            assert abs(months - Decimal((end - start).days + 1) / days_of_month) < Decimal("1e-9"), (start, end)
