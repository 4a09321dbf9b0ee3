"""Can a person name the columns of a file on the page of its invoice, and see what comes of it before it is remembered?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tests import streamones
from tests.pages.conftest import said
from tests.streamones import SAID, THEIRS, Account
from w365core.jobs import queue, syncing
from w365core.jobs.context import Context
from w365core.store.tables import column_mapping


@pytest.fixture
def invoice_id(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """An invoice of a layout that nobody has named, received and in Error."""
    account = Account(tmp_path / "estate")
    account.invoice("4410", {"detail.csv": THEIRS}, total="291.55")
    monkeypatch.setenv("W365_HOME", str(context.settings.home))
    with streamones.serve(account) as served:
        configured = streamones.configure(context, served.url, tmp_path / "records")
        syncing.sync_daily(configured, provider_name=streamones.NAME)
    with context.engine.connect() as connection:
        yield connection.execute(text("select provider_invoice_id from provider_invoice")).scalar_one()


def chooser(app, header: str):
    return next(box for box in app.selectbox if box.label.replace("\\", "") == header)


def test_columns_are_named_looked_at_and_remembered_and_the_sync_is_queued(frame, engine: Engine, invoice_id: int) -> None:
    app = frame(invoice=str(invoice_id))
    told = said(app)
    assert "Name its columns" in told and "provider map-columns ion-eu --invoice 4410" in told
    assert "needed are customer_id, subscription_id, subtotal" in told and app.button("naming_remember").disabled

    for header, column in SAID.items():
        chooser(app, header).set_value(column)
    app.run()
    told = said(app)
    assert "every cell can be read" in told and "the lines come to 291.55 EUR" in told and "All amounts are EUR" in told
    assert list(app.dataframe[0].value["subtotal"]) == ["125.00", "120.00"]
    app.button("naming_remember").click().run()
    with engine.connect() as connection:
        kept = connection.execute(select(column_mapping.c.mapping)).scalar_one()
        (job,) = queue.recent(connection)
    assert kept["Seller Cost (EUR)"] == "subtotal" and kept["Remark"] == ""
    assert (job.kind, job.provider, job.invoice) == (queue.INVOICE, "ion-eu", "4410")


def test_one_column_for_two_headers_is_refused_before_anything_is_read(frame, engine: Engine, invoice_id: int) -> None:
    app = frame(invoice=str(invoice_id))
    for header in ("Seats", "Event"):
        chooser(app, header).set_value("quantity")
    app.run()
    assert "Two headers cannot both be quantity" in said(app)
    with engine.connect() as connection:
        assert connection.execute(select(column_mapping)).first() is None
