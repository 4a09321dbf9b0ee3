"""How is an import struck at its N-th operation, for N = 1, 2, … until a run ends by itself, and what is looked at then?

After each strike a fresh look at the database and the landing says what is left; the import is run again to its end and must come to what an
import that nothing happened to comes to; a third run changes nothing. Two planted bugs prove that the harness can find one.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate, Served, daily, seat, usage
from tests.forked import Forks
from tests.harness.struck import forks
from w365core.errors import CallRefused
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store import audit, ledger, transitions
from w365core.store.engine import pooled

WORKERS = 2  # strikes at a time, each with a database and a home of its own
EARLIER = ([seat("200.00"), usage("20.00")], [daily("20.00")])
LINES = ([seat("100.00"), seat("-1.25"), usage("10.00")], [daily("4.125"), daily("5.875", day=2)])
OLD, NEW = (2, 1, 1), (3, 2, 1)  # license lines, usage lines, usage summaries
ONE_SENTENCE = {0, 3, 4}  # how a run may end that a fault was put into: absorbed, the provider or the store gone, the disk full


@dataclass
class Tally:
    """What the harness did, for the line at the end."""

    points: int = 0
    kills: int = 0
    errors: int = 0
    violations: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)  # those violations that the harness did not find but fell over

    def __str__(self) -> str:
        return f"points {self.points}, kills {self.kills}, errors {self.errors}, violations {len(self.violations)}"


@dataclass(frozen=True)
class Trial:
    """A database and a home in which an invoice is deactivated, changed at the provider since, and about to be synced anew."""

    context: Context
    folder: Path
    environment: dict[str, str]
    forks: Forks

    def strike(self, *, fault: str, at: int, plant: str = "") -> int:
        return self.forks.run(self.folder, self.environment, "sync", "--invoice", "G1", fault=fault, at=at, plant=plant)

    def said(self, name: str) -> str:
        return (self.folder / name).read_text()

    def sync(self) -> str:
        """The outcome of a sync that nothing happens to; the refusal where there is one."""
        try:
            return syncing.sync_invoice(self.context, provider_name=None, invoice_number="G1", override=None).outcomes[0].status
        except CallRefused as refusal:
            return str(refusal)


@dataclass(frozen=True)
class Ready:
    """The template of every trial, and what an undisturbed import comes to."""

    template: str
    home: Path
    served: Served
    whole: str


@contextmanager
def made_ready(template: str, folder: Path) -> Iterator[Ready]:
    """What every trial begins with, made in the folder from a database that has the schema alone."""
    estate = Estate(folder / "estate")
    estate.invoice("G1", *EARLIER)
    with estates.serve(estate) as served, postgres.used_database(template) as url:
        engine = pooled(url)
        context = _context(url, folder / "home", engine)
        context = estates.configure(context, served.url, records=estate.records(folder / "records"))
        assert syncing.sync_invoice(context, provider_name=None, invoice_number="G1", override=None).outcomes[0].exit_code == 0
        found = ledger.named(engine, provider_name=None, invoice_number="G1")
        with engine.begin() as connection:
            transitions.deactivate(connection, provider_invoice_id=found.provider_invoice_id, who=context.who)
        estate.invoice("G1", *LINES)
        template_of_trials = Ready(engine.url.database, folder / "home", served, "")
        with forks() as server, trial(template_of_trials, folder / "whole", server) as undisturbed:
            assert undisturbed.sync() == "Active/Active"
            assert estates.children(undisturbed.context.engine) == NEW
            yield Ready(engine.url.database, folder / "home", served, estates.digest(undisturbed.context.engine))


@contextmanager
def trial(ready: Ready, folder: Path, server: Forks) -> Iterator[Trial]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(ready.home, folder / "home")
    with postgres.fresh_database(ready.template) as url:
        context = _context(url, folder / "home", pooled(url))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_")}
        told = {"DATABASE_URL": url, "W365_HOME": str(folder / "home"), "W365_POLL": "0.01", "W365_SECRET_CSP": estates.SECRET}
        # One try: what is tried again is tested elsewhere, and would hide the error that is put in here.
        environment = {**kept, **told, "W365_NOW": NOW.isoformat(), "W365_HTTP_TIMEOUT": "5", "W365_HTTP_TRIES": "1"}
        yield Trial(context, folder, environment, server)


def _context(url: str, home: Path, engine) -> Context:
    settings = Settings(home=home, database_url=url, poll=0.01, http_timeout=5, environment={"W365_SECRET_CSP": estates.SECRET})
    return Context(settings, engine, NOW, "tester", lambda sentence: None)


# --- the loop ----------------------------------------------------------------------------------------------------------------------------


def run(ready: Ready, folder: Path, tally: Tally, *, fault: str, plant: str = "", points: Sequence[int] | None = None) -> None:
    """Strikes at 1, 2, … until a run ends by itself, or at these points only; several at a time."""

    def work(first: int) -> None:
        with forks() as server:
            mine = range(first, 10_000, WORKERS) if points is None else points[first - 1 :: WORKERS]
            for at in mine:
                with trial(ready, folder / f"{fault} {first}", server) as one:
                    if not _struck(ready, one, tally, fault=fault, at=at, plant=plant):
                        return

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(1, WORKERS + 1)))


def _struck(ready: Ready, one: Trial, tally: Tally, *, fault: str, at: int, plant: str) -> bool:
    """One strike and what is left of it; False where the run ended before it came to that operation."""
    ended = one.strike(fault=fault, at=at, plant=plant)
    steps = one.said("steps").splitlines()
    if len(steps) < at:
        return False
    tally.points += 1
    tally.kills += ended == -9
    tally.errors += fault != "kill"
    where = f"{fault} at {at}, before {steps[at - 1]}"
    found: list[str] = []
    try:
        for looked in (lambda: _ending(one, fault, ended), lambda: _left(one), lambda: _again(ready, one)):
            found += looked()
    except Exception as error:  # a harness that stops at the first surprise tells nothing of the others
        found.append(f"{type(error).__name__}: {error}")
        tally.surprises.append(f"{where}: {found[-1]}")
    tally.violations.extend(f"{where}: {violation}" for violation in found)
    return True


def _ending(one: Trial, fault: str, ended: int) -> list[str]:
    """How the struck run itself may end."""
    if fault == "kill":
        return [] if ended == -9 else [f"it ended with {ended} instead of being killed"]
    errors = one.said("stderr")
    crashed = "Traceback" in errors or "Something went wrong" in errors
    return [f"it ended with {ended}: {errors.strip()}"] if crashed or ended not in ONE_SENTENCE else []


def _left(one: Trial) -> list[str]:
    """All or nothing, before anything is mended: the lines are those that the header claims, and what is landed is whole."""
    engine = one.context.engine
    found = ledger.named(engine, provider_name=None, invoice_number="G1")
    children = estates.children(engine)
    # A failed attempt takes the lines of the version before away; one that was not ended yet leaves them.
    allowed = {"Active": {NEW}, "Populating": {OLD}, "Deactivated": {OLD}, "Error": {(0, 0, 0)}}[found.status_reason]
    said = [] if children in allowed else [f"{found.status_reason} with {children}"]
    if (found.version == 2) != (found.status_reason == "Active"):
        said.append(f"{found.status_reason} at version {found.version}")
    return said + [f"{path.name[:12]} is landed by halves" for path in _damaged(one.context.settings.landing)]


def _again(ready: Ready, one: Trial) -> list[str]:
    """The second run ends the import, the third changes nothing, nothing is left over, and the log tells it once."""
    engine, said = one.context.engine, []
    second = one.sync()
    if second != "Active/Active" and "is Active and is not downloaded again" not in second:
        said.append(f"the second run: {second}")
    if estates.digest(engine) != ready.whole:
        said.append("the second run comes to something else")
    third = one.sync()
    if "is Active and is not downloaded again" not in third or estates.digest(engine) != ready.whole:
        said.append(f"the third run changes something: {third}")
    said += [f"left over: {left}" for left in estates.leftovers(engine, one.context.settings.home)]
    with engine.connect() as connection:
        if audit.first_broken(connection) is not None:
            said.append("the log is broken")
        told = connection.execute(text("select count(*) from audit_log where action = 'import provider invoice'")).scalar_one()
        locked = connection.execute(
            text(
                "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"
            )
        ).scalar_one()
    return said + ([] if told == 2 else [f"the log tells of {told} imports"]) + ([f"{locked} locks are held"] if locked else [])


def _damaged(landing: Path) -> list[Path]:
    """Landed files that are not what their name says."""
    return [path for path in landing.glob("??/*") if hashlib.sha256(_content(path)).hexdigest() != path.name.removesuffix(".gz")]


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error):
        return b""
