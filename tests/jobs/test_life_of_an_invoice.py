"""Does an invoice live by the rules whatever happens to it, in whatever order? Random walks over a real Postgres and a real sandbox.

What people and providers do is drawn at random; a model of plain Python says what must come of it. After each step: no invoice has a part of its
lines or two sets of them, what is invoiced stays invoiced, each change stands in the audit log once and its chain holds, and nothing is left over.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate, daily, seat, usage
from w365core.errors import CallRefused
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.jobs.importing import Outcome
from w365core.lifecycle import RETRY_DAYS, compared_since
from w365core.settings import Settings
from w365core.store import audit, billed, ledger, noticing, transitions
from w365core.store.engine import pooled
from w365core.store.tables import audit_log, provider_invoice, usage_summary

LATEST, OLDER = "G2", "G1"
DATED = {LATEST: date(2026, 11, 8), OLDER: date(2026, 10, 8)}
BOTH = st.sampled_from((LATEST, OLDER))
GAP = Decimal(700)  # what a header is off by, where it is off


@dataclass
class Listed:
    """What the provider says of an invoice: how many seats its lines charge, and whether its header adds up."""

    seats: int = 1
    adds_up: bool = True

    @property
    def total(self) -> Decimal:
        return Decimal(100 * self.seats + 20) + (0 if self.adds_up else GAP)


@dataclass
class Here:
    """What ours must be. `lines` are those of the version that was imported, None where there are none."""

    status: str
    first_seen: datetime
    listed: Listed
    lines: int | None = None
    invoiced: str | None = None
    noticed: tuple[Decimal, int] | None = None  # the provider's version that was last said to differ


@dataclass
class Model:
    """The world as it must be."""

    now: datetime = NOW
    mapped: bool = True
    listed: dict[str, Listed] = field(default_factory=lambda: {LATEST: Listed(), OLDER: Listed()})
    here: dict[str, Here] = field(default_factory=dict)
    deleted: dict[str, datetime] = field(default_factory=dict)  # first seen, of what was deleted
    log: dict[str, list[str]] = field(default_factory=lambda: {LATEST: [], OLDER: []})

    def inside(self, first_seen: datetime) -> bool:
        return self.now.date() <= (first_seen + timedelta(days=RETRY_DAYS)).date()

    def imports(self, number: str, *, override: bool = False) -> str:
        """What an import of it ends in, and what it leaves."""
        listed, known = self.listed[number], self.here.get(number)
        first_seen = known.first_seen if known else self.deleted.get(number, self.now)
        good = self.mapped and (listed.adds_up or override)
        status = "Active" if good else "Error"
        self.here[number] = Here(status, first_seen, replace(listed), lines=listed.seats + 1 if good else None)
        self.deleted.pop(number, None)
        self.log[number].append("import provider invoice" if good else "fail provider invoice")
        return f"{'Active' if good else 'Inactive'}/{status}"

    def daily(self) -> tuple[dict[str, str], set[str]]:
        """What the daily job imports, and what it says has changed."""
        imported, changed = {}, set()
        for number, listed in self.listed.items():
            known = self.here.get(number)
            if known is None:
                back = number in self.deleted and self.inside(self.deleted[number])
                new = number not in self.deleted and number == LATEST
                if back or new:
                    imported[number] = self.imports(number)
            elif known.status == "Error" and self.inside(known.first_seen):
                imported[number] = self.imports(number)
            elif known.status == "Active" and DATED[number] >= compared_since(self.now.date()):
                self._compare(number, known, listed, changed)
        return imported, changed

    def _compare(self, number: str, known: Here, listed: Listed, changed: set[str]) -> None:
        version, mine = (listed.total, listed.seats), (known.listed.total, known.listed.seats)
        if version == mine:
            if known.noticed:
                known.noticed = None
                self.log[number].append(noticing.WENT_BACK)
            return
        changed.add(number)
        if known.noticed != version:
            known.noticed = version
            self.log[number].append(noticing.NOTICE)


class LifeOfAnInvoice(RuleBasedStateMachine):
    """The walk itself; each step is done by the product and by the model."""

    template: str

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="w365-life-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        url = self.stack.enter_context(postgres.used_database(self.template))
        self.engine = pooled(url)
        self.stack.callback(self.engine.dispose)
        self.estate = Estate(self.folder / "estate", client_secret=estates.SECRET)
        self.model = Model()
        for number in (LATEST, OLDER):
            self._publish(number)
        served = self.stack.enter_context(estates.serve(self.estate))
        settings_ = Settings(home=self.folder / "home", database_url=url, http_timeout=5, http_tries=2, poll=0.02)
        plain = Context(settings_, self.engine, NOW, "walker", lambda sentence: None)
        self.configured = estates.configure(plain, served.url, records=self.estate.records(self.folder / "records"))

    def teardown(self) -> None:
        self.stack.close()

    @property
    def context(self) -> Context:
        return self.configured.at(self.model.now)

    def _publish(self, number: str) -> None:
        """The provider lists it as the model says."""
        listed = self.model.listed[number]
        lines = [*(seat("100.00", OrderId=f"O-{place}") for place in range(listed.seats)), usage("20.00")]
        rated = [daily("15.00"), daily("5.00", day=2)]
        self.estate.invoice(number, lines, rated, total=str(listed.total), dated=DATED[number].isoformat())

    # --- what happens ---------------------------------------------------------------------------------------------------------------------

    @initialize()
    def one_comes_in(self) -> None:
        self.the_daily_job_runs()

    @rule()
    def the_daily_job_runs(self) -> None:
        expected, changed = self.model.daily()
        result = syncing.sync_daily(self.context, provider_name=estates.PROVIDER)
        assert ({one.invoice: one.status for one in result.outcomes}, set(result.changed)) == (expected, changed)

    @rule(days=st.sampled_from((1, 7, RETRY_DAYS)))
    def days_pass(self, days: int) -> None:
        self.model.now += timedelta(days=days)

    @rule(number=BOTH, override=st.booleans())
    def a_person_syncs(self, number: str, override: bool) -> None:
        known = self.model.here.get(number)
        if known and known.status == "Active":
            with pytest.raises(CallRefused, match="deactivate it first"):
                self._sync(number, override)
        else:
            expected = self.model.imports(number, override=override)
            assert self._sync(number, override).status == expected

    def _sync(self, number: str, override: bool) -> Outcome:
        (outcome,) = syncing.sync_invoice(
            self.context, provider_name=estates.PROVIDER, invoice_number=number, override=GAP if override else None
        ).outcomes
        return outcome

    @rule(number=BOTH, seats=st.integers(1, 3), adds_up=st.booleans())
    def the_provider_changes_it(self, number: str, seats: int, adds_up: bool) -> None:
        self.model.listed[number] = Listed(seats, adds_up)
        self._publish(number)

    @rule()
    def somebody_changes_the_mapping(self) -> None:
        self.model.mapped = not self.model.mapped
        changed = {} if self.model.mapped else {"provider_accounts": estates.without_customer(estates.CONTOSO)}
        estates.configure(self.context, self._url(), records=self.estate.records(self.folder / "records", **changed))

    def _url(self) -> str:
        with self.engine.connect() as connection:
            return connection.execute(text("select api_url from provider where name = :name"), {"name": estates.PROVIDER}).scalar_one()

    @rule(number=BOTH)
    def its_usage_is_invoiced(self, number: str) -> None:
        known = self.model.here.get(number)
        if known and known.status == "Active" and known.invoiced is None:
            known.invoiced = f"U-{number}"
            with self.engine.begin() as connection:
                connection.execute(
                    usage_summary.update()
                    .where(usage_summary.c.provider_invoice_id == self._id(number))
                    .values(status="Invoiced", invoice_number=known.invoiced)
                )

    @rule(number=BOTH)
    def its_usage_is_taken_off(self, number: str) -> None:
        known = self.model.here.get(number)
        if known and known.invoiced:
            with self.engine.begin() as connection:
                named = {"customer_invoices": [known.invoiced], "reason": "credited", "who": self.context.who}
                billed.unlink(connection, provider_invoice_id=self._id(number), **named)
            known.invoiced = None
            self.model.log[number].append(billed.UNLINK)

    @rule(number=BOTH)
    def somebody_deactivates_it(self, number: str) -> None:
        self._step(number, "deactivate", ("Active",), "Deactivated")

    @rule(number=BOTH)
    def somebody_deletes_it(self, number: str) -> None:
        self._step(number, "delete", ("Active", "Error", "Deactivated"), None)

    def _step(self, number: str, action: str, allowed: tuple[str, ...], after: str | None) -> None:
        known = self.model.here.get(number)
        if known is None:
            return
        refused = known.status not in allowed or known.invoiced is not None
        try:
            with self.engine.begin() as connection:
                getattr(transitions, action)(connection, provider_invoice_id=self._id(number), who=self.context.who)
            assert not refused, f"{action} of {number} was not refused"
        except CallRefused as error:
            assert refused, error
            assert known.invoiced is None or known.status not in allowed or known.invoiced in str(error)
            return
        self.model.log[number].append(f"{action} provider invoice")
        if after is None:
            self.model.deleted[number] = known.first_seen
            del self.model.here[number]
        else:
            known.status, known.noticed = after, None

    def _id(self, number: str) -> int:
        return ledger.named(self.engine, provider_name=None, invoice_number=number).provider_invoice_id

    # --- what must hold -------------------------------------------------------------------------------------------------------------------

    @invariant()
    def every_invoice_is_as_the_model_says(self) -> None:
        with self.engine.connect() as connection:
            rows = {row.invoice_number: row for row in connection.execute(select(provider_invoice))}
        assert {number: (row.status_reason, row.first_seen_at) for number, row in rows.items()} == {
            number: (known.status, known.first_seen) for number, known in self.model.here.items()
        }
        for number, known in self.model.here.items():
            if known.status == "Active":
                assert rows[number].header_total == known.listed.total
                assert rows[number].changed_at_provider == (known.noticed is not None)

    @invariant()
    def lines_are_whole_or_not_there_and_never_twice(self) -> None:
        for number, known in self.model.here.items():
            expected = (known.lines or 0, 2 if known.lines else 0, 1 if known.lines else 0)
            assert self._children(number) == expected, number
        with self.engine.connect() as connection:
            stray = "select count(*) from {} where provider_invoice_id not in (select provider_invoice_id from provider_invoice)"
            for table in ("license_line", "usage_line", "usage_summary", "missing_reference"):
                assert connection.execute(text(stray.format(table))).scalar_one() == 0, table

    def _children(self, number: str) -> tuple[int, int, int]:
        counted = "select count(*) from {} where provider_invoice_id = :id"
        with self.engine.connect() as connection:
            tables = ("license_line", "usage_line", "usage_summary")
            return tuple(connection.execute(text(counted.format(table)), {"id": self._id(number)}).scalar_one() for table in tables)

    @invariant()
    def what_is_invoiced_stays_invoiced(self) -> None:
        for number, known in self.model.here.items():
            with self.engine.connect() as connection:
                mine = usage_summary.c.provider_invoice_id == self._id(number)
                invoiced = set(connection.execute(select(usage_summary.c.invoice_number).where(mine)).scalars()) - {None}
            assert invoiced == ({known.invoiced} if known.invoiced else set())

    @invariant()
    def the_log_tells_each_change_once_and_holds(self) -> None:
        with self.engine.connect() as connection:
            told = connection.execute(
                select(audit_log.c.target, audit_log.c.action)
                .where(audit_log.c.target_kind == "provider invoice")
                .order_by(audit_log.c.audit_id)
            ).all()
            assert audit.first_broken(connection) is None
        for number, expected in self.model.log.items():
            assert [action for target, action in told if target == f"{estates.PROVIDER} {number}"] == expected

    @invariant()
    def nothing_is_left_over(self) -> None:
        previews = {self._run(number) for number, known in self.model.here.items() if known.status == "Error"}
        left = [one for one in estates.leftovers(self.engine, self.folder / "home") if one.rpartition("_r")[2] not in previews]
        assert left == []

    def _run(self, number: str) -> str:
        return str(ledger.named(self.engine, provider_name=None, invoice_number=number).import_run_id)


@pytest.fixture
def walks(template: str) -> Iterator[type[LifeOfAnInvoice]]:
    yield type("Walk", (LifeOfAnInvoice,), {"template": template})


def test_an_invoice_lives_by_its_rules_whatever_happens_in_whatever_order(walks: type[LifeOfAnInvoice]) -> None:
    run_state_machine_as_test(
        walks,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=(Phase.reuse, Phase.generate),  # a walk of fourteen steps is read as it is; shrinking it takes minutes
        ),
    )
