"""Are the lines in the stage those of the last copying, whole, without a log of their own, and done with for every later vacuum?"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from sqlalchemy import Connection, Engine, text

from w365core.arrays import counting, text_array
from w365core.store import stage

RUN, INVOICE = 4242, 1
TABLE = stage.table_of(stage.USAGE, RUN)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection beside a stage that is committed and empty, as an attempt begins."""
    with engine.connect() as connection:
        with connection.begin():
            stage.create(connection, run_id=RUN, provider_invoice_id=INVOICE)
        yield connection
        connection.rollback()
        with connection.begin():
            stage.drop(connection, run_id=RUN)


def lines(many: int, meter: str = "a meter") -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [counting(1, many), *[text_array([value] * many) for value in ("u-1", meter, "1.25", "EUR")]],
        names=["line_number", "usage_id", "meter_name", "billing_pre_tax_total", "billing_currency"],
    )


def copied(connection: Connection, *batches: pa.RecordBatch) -> None:
    with connection.begin(), stage.Copying(connection, run_id=RUN) as copying:
        for batch in batches:
            copying.add(stage.USAGE, batch)


def meters(connection: Connection) -> dict[str, int]:
    with connection.begin():
        return dict(connection.execute(text(f"select meter_name, count(*) from {TABLE} group by meter_name")).all())


def test_all_batches_of_one_copying_are_there_whatever_their_columns(connection: Connection) -> None:
    other = lines(7, "third").drop_columns(["billing_currency"])
    copied(connection, lines(5, "first"), lines(3, "second"), other, lines(2, "fourth"))
    assert meters(connection) == {"first": 5, "second": 3, "third": 7, "fourth": 2}


def test_copying_again_leaves_the_lines_of_the_last_time(connection: Connection) -> None:
    copied(connection, lines(5, "before"))
    copied(connection, lines(3, "after"))
    assert meters(connection) == {"after": 3}


def test_what_breaks_off_leaves_the_stage_as_it_was(connection: Connection) -> None:
    copied(connection, lines(5, "before"))
    with pytest.raises(ZeroDivisionError), connection.begin(), stage.Copying(connection, run_id=RUN) as copying:
        copying.add(stage.USAGE, lines(3, "after"))
        raise ZeroDivisionError
    assert meters(connection) == {"before": 5}


def test_license_lines_that_came_before_stay_when_usage_lines_are_copied(connection: Connection) -> None:
    licenses = pa.RecordBatch.from_arrays(
        [counting(1, 4), *[text_array([value] * 4) for value in ("cycleFee", "1.25", "EUR")]],
        names=["line_number", "charge_type", "total", "currency"],
    )
    with connection.begin(), stage.Copying(connection, run_id=RUN) as copying:
        copying.add(stage.LICENSE, licenses)
        copying.add(stage.USAGE, lines(2))
        copying.add(stage.LICENSE, licenses)
        copying.add(stage.USAGE, lines(3))
    with connection.begin():
        found = stage.totals(connection, run_id=RUN)
    assert (found.license_lines, found.usage_lines) == (8, 5)


def test_staged_lines_need_no_vacuum(connection: Connection) -> None:
    """Every page is known to be visible to everybody, which without `freeze` only a vacuum finds out."""
    copied(connection, lines(2_000))
    with connection.begin():
        stage.analyse(connection, run_id=RUN)
        pages, visible = connection.execute(
            text("select relpages, relallvisible from pg_class where relname = :name"), {"name": TABLE}
        ).one()
    assert pages - 1 <= visible > 10, "but for the last page"


def test_staged_lines_are_written_once_and_not_into_the_log_as_well(connection: Connection) -> None:
    with connection.begin():
        assert connection.execute(text("show wal_level")).scalar_one() == "minimal", "as the embedded server is set up"
    logged = min(logged_by_copying(connection, lines(20_000, "a meter " * 20)) for _ in range(5))  # others write to this server meanwhile
    with connection.begin():
        size = connection.execute(text("select pg_relation_size(cast(:name as regclass))"), {"name": TABLE}).scalar_one()
    assert logged < size / 10


def logged_by_copying(connection: Connection, batch: pa.RecordBatch) -> int:
    """The bytes that the server's log grows by meanwhile."""
    place = text("select pg_current_wal_insert_lsn() - '0/0'")
    with connection.begin():
        before = connection.execute(place).scalar_one()
    copied(connection, batch)
    with connection.begin():
        return connection.execute(place).scalar_one() - before
