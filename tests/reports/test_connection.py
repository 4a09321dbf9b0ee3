"""Does a page read in one read-only snapshot, and is every failure a sentence?"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import InternalError

from tests import postgres
from tests.reports import builders as b
from w365core.errors import CallRefused, StoreUnavailable
from w365core.reports import connection


def test_a_page_cannot_write(engine: Engine):
    with pytest.raises(InternalError, match="read-only"), connection.reading(engine) as opened:
        opened.execute(text("insert into currency (code, rate_to_base) values ('EUR', 1)"))


def test_a_question_that_takes_too_long_is_refused_in_a_sentence(engine: Engine):
    with pytest.raises(CallRefused, match="longer than 1 seconds"), connection.reading(engine, seconds=1) as opened:
        opened.execute(text("select pg_sleep(5)"))


def test_a_database_that_is_gone_is_one_sentence_without_its_password(template: str, monkeypatch: pytest.MonkeyPatch):
    with postgres.fresh_database(template) as url:
        engine = b.prepared(url)
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(StoreUnavailable, match="does not answer.*press Retry"), connection.reading(engine):
        pass
    assert not connection.database_answers()


def test_a_moment_lasts_until_somebody_writes(engine: Engine):
    def moment() -> str:
        with connection.reading(engine) as opened:
            return connection.moment(opened)

    assert any(moment() == moment() for _ in range(50)), "though other databases of the server are written to meanwhile"
    with engine.connect() as writing:
        writing.execute(text("insert into currency (code, rate_to_base) values ('CHF', 1)"))
        before = moment()
        writing.commit()
    assert moment() != before


def test_asking_whether_the_embedded_database_answers_does_not_start_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("W365_HOME", str(tmp_path / "home"))
    assert not connection.database_answers()
    assert not (tmp_path / "home").exists()


def test_the_clock_is_the_one_that_the_installation_states(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("W365_NOW", raising=False)
    with engine.begin() as opened:
        assert not connection.installation(opened).is_demo
        b.clock(opened)
        assert connection.installation(opened).now == b.NOW
        monkeypatch.setenv("W365_NOW", "2027-01-01T00:00:00+00:00")
        assert connection.installation(opened).now.year == 2027
