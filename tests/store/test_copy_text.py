"""Does Postgres read back what was in the cells, whatever signs they hold?"""

from __future__ import annotations

from datetime import date

import pyarrow as pa
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Engine, text

from w365core.arrays import day_array, text_array, whole_array
from w365core.store.copy_text import OPTIONS, copy_text

TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    ["\\", "\\.", "\\N", "a\tb", "a\nb", "\r", "\r\n", '"', "'", ",", "\\t", "é😀", "\\\\n"]
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), TEXT, st.none() | st.dates(), TEXT), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_copied_is_what_was_in_the_cells(engine: Engine, rows: list[tuple[int, str | None, date | None, str | None]]) -> None:
    numbers, texts, days, last = map(list, zip(*rows, strict=True))
    columns = [whole_array(numbers), text_array(texts), day_array(days), text_array(last)]
    lines = pa.RecordBatch.from_arrays(columns, names=["a", "b", "c", "d"])
    with engine.connect() as connection:
        connection.execute(text("create temporary table copied (at serial, a bigint, b text, c date, d text) on commit drop"))
        cursor = connection.connection.driver_connection.cursor()
        with cursor, cursor.copy(f"copy copied (a, b, c, d) from stdin ({OPTIONS})") as sink:
            sink.write(copy_text(lines))
        found = connection.execute(text("select a, b, c, d from copied order by at")).all()
        connection.rollback()
    assert [tuple(row) for row in found] == [(a, b or None, c, d or None) for a, b, c, d in rows]
