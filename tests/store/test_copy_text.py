"""Does Postgres read back what was in the cells, whatever signs they hold?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Connection, Engine, text

from tests.kernels.json_lines import files
from w365core import frames
from w365core.arrays import counting, day_array, text_array, whole_array
from w365core.frames import Kind
from w365core.intake.parse import parse_json_tolerantly
from w365core.kernels import regular_lines
from w365core.kernels.regular_lines import Beside
from w365core.store.copy_text import copied

TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0")) | st.sampled_from(
    ["\\", "\\.", "\\N", "a\tb", "a\nb", "\r", "\r\n", '"', "'", ",", "\\t", "é😀", "\\\\n"]
)  # fmt: skip


def read_back(connection: Connection, lines: pa.RecordBatch, types: dict[str, str]) -> list[tuple]:
    """The lines' rows, copied into a table with columns of these types."""
    declared = ", ".join(f"{name} {kind}" for name, kind in types.items())
    connection.execute(text(f"create temporary table copied (at serial, {declared}, extra text) on commit drop"))
    columns, options, content = copied(lines)
    cursor = connection.connection.driver_connection.cursor()
    with cursor, cursor.copy(f"copy copied ({columns}) from stdin ({options})") as sink:
        sink.write(content)
    found = connection.execute(text(f"select {', '.join(types)} from copied order by at")).all()
    connection.rollback()
    return [tuple(row) for row in found]


@given(st.lists(st.tuples(st.integers(-(2**60), 2**60), TEXT, st.none() | st.dates(), TEXT), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_copied_is_what_was_in_the_cells(engine: Engine, rows: list[tuple[int, str | None, date | None, str | None]]) -> None:
    numbers, texts, days, last = map(list, zip(*rows, strict=True))
    columns = [whole_array(numbers), text_array(texts), day_array(days), text_array(last)]
    lines = pa.RecordBatch.from_arrays(columns, names=["a", "b", "c", "d"])
    with engine.connect() as connection:
        found = read_back(connection, lines, {"a": "bigint", "b": "text", "c": "date", "d": "text"})
    assert found == [(a, b or None, c, d or None) for a, b, c, d in rows]


@given(files())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_copied_out_of_a_block_of_json_lines_is_what_a_decoder_reads_in_them(engine: Engine, printed: list[bytes]) -> None:
    found = regular_lines.read(pa.array(printed, pa.binary()), frames.DAILY_RATED)
    if found is None:
        return
    lines = found.stored(Beside(counting(1, len(printed)), ("subscription_id",), [('\\a"\tb',)], np.zeros(len(printed), int)))
    kinds = {column.name: column.kind for column in frames.DAILY_RATED if column.name in found.names}
    types = {name: {Kind.NUMBER: "numeric", Kind.DAY: "date"}.get(kind, "text") for name, kind in kinds.items()}
    with engine.connect() as connection:
        rows = read_back(connection, lines, {**types, "subscription_id": "text", "line_number": "bigint"})
    cells = parse_json_tolerantly(printed, frames.DAILY_RATED).columns
    expected = [[None if value == "" else value for value in cells[name]] for name in types]
    assert rows == [(*line, '\\a"\tb', number) for number, line in enumerate(zip(*expected, strict=True), 1)]
