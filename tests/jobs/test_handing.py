"""Files handed in on the page: what a look at them says, that it is what their import then does, and that a name is never a path."""

from __future__ import annotations

import io
import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests import estates
from tests.estates import Estate
from tests.jobs import working
from w365core.access import AccessRefused, Person
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import handed, handing, peopling, queue
from w365core.jobs.context import Context
from w365core.jobs.queue import FilesAsked, HandedFile
from w365core.store import engine as store_engine, job_runs, ledger, people

HEADER = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
SEAT = f"{estates.CONTOSO},{estates.SEATS},CFQ7,cycle,2026-10-01,2026-10-31,4,25.00,100.00,19.00,119.00,EUR\n"


@pytest.fixture
def configured(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A manual provider that bills Contoso's seats; the page's process and the worker share the home."""
    records = Estate(tmp_path / "estate").records(tmp_path / "records")
    accounts = (records / "provider_accounts.csv").read_text() + f"distributor,{estates.CONTOSO},A-1\n"
    subscriptions = (records / "subscriptions.csv").read_text() + f"S-9,distributor,{estates.SEATS},A-1,CFQ7,License,\n"
    records = Estate(tmp_path / "estate").records(tmp_path / "records", provider_accounts=accounts, subscriptions=subscriptions)
    monkeypatch.setenv("W365_HOME", str(context.settings.home))
    return estates.configure(context, "http://127.0.0.1:1", records=records)


def uploaded(text: str, name: str = "plain.csv") -> HandedFile:
    return queue.keep(None, name, io.BytesIO(text.encode()))


def asked(*files: HandedFile, **said: object) -> FilesAsked:
    return FilesAsked(**{"provider": "distributor", "invoice": "F1", "files": files} | said)


def handled(context: Context, what: FilesAsked, *, look: bool) -> handing.Handled:
    """The job, carried out here instead of in a process of its own."""
    job_id = queue.ask_files(context.engine, what, look=look, actor="ana")
    with context.engine.begin() as connection:
        job = job_runs.begin(connection, job_id)
    result = handing.carry_out(context, job)
    with context.engine.begin() as connection:
        job_runs.end(connection, job_id, state="failed" if result.failures else "done", message=result.message, outcome=result.outcome)
    return result


@pytest.mark.parametrize(
    ("line", "said", "told", "status"),
    [
        (SEAT, {}, "Imports invoice F1 of distributor: 1 line, 119.00 EUR. It would be complete, to be activated.", "Active/Populating"),
        (
            SEAT,
            {"total": Decimal("119.00"), "activate": True},
            "Imports invoice F1 of distributor: 1 line, 119.00 EUR, as the header says. It would be Active.",
            "Active/Active",
        ),
        (SEAT, {"total": Decimal("120.00")}, "It would end in Error: ", "Inactive/Error"),
        (SEAT, {"total": Decimal("120.00"), "override": Decimal(1), "activate": True}, "It would be Active.", "Active/Active"),
        (SEAT.replace(estates.CONTOSO, "new-one"), {}, "It would end in Error: Our records lack", "Inactive/Error"),
        (SEAT, {"currency": "USD"}, "It would end in Error: ", "Inactive/Error"),
        (
            "",
            {"total": Decimal(0), "currency": "EUR"},
            "Imports invoice F1 of distributor: 0 lines, 0.00 EUR, as the header says. It would be complete, to be activated.",
            "Active/Populating",
        ),
    ],
)
def test_a_look_says_what_the_import_then_does_and_stores_nothing(
    configured: Context, line: str, said: dict, told: str, status: str
) -> None:
    what = asked(uploaded(HEADER + line), **said)
    before = estates.digest(configured.engine)
    look = handled(configured, what, look=True)
    assert estates.digest(configured.engine) == before
    assert told in look.message and look.outcome["ready"]
    done = handled(configured, what, look=False)
    (one,) = done.outcome["invoices"]
    assert one["status"] == status and done.outcome["invoice_id"] is not None
    assert look.message.partition(" would end in Error: ")[2] in done.message


def test_a_look_adds_up_each_file_and_says_how_it_is_read(configured: Context) -> None:
    german = HEADER + SEAT.replace("25.00", '"25,00"').replace("100.00", '"1.100,00"').replace("19.00,", '"209,00",').replace(
        '1"209,00"', '"1.309,00"'
    )
    look = handled(configured, asked(uploaded(HEADER + SEAT * 2, "a.csv"), uploaded(german, "b.csv")), look=True)
    assert [(row["file"], row["lines"], row["subtotal"], row["tax"], row["total"]) for row in look.outcome["sums"]] == [
        ("a.csv", 2, "200.00", "38.00", "238.00"),
        ("b.csv", 1, "1100.00", "209.00", "1309.00"),
    ]
    assert [(file["decimal_comma"], file["decimal_settled_by"]) for file in look.outcome["files"]] == [
        (False, "the file"),
        (True, "the file"),
    ]


def test_the_look_and_the_receipt_say_that_lines_name_another_invoice(configured: Context) -> None:
    line = estates.seat(InvoiceNumber="G99")
    files = uploaded("\n".join(",".join(row) for row in (line, line.values())), "monthly.csv")
    for look in (True, False):
        assert "monthly.csv: 1 line names invoice G99, not F1." in handled(configured, asked(files), look=look).message


def test_cells_that_cannot_be_taken_come_back_with_their_place(configured: Context) -> None:
    files = uploaded(HEADER + SEAT + SEAT.replace("100.00", "hundred") * 1_200)
    look = handled(configured, asked(files), look=True)
    assert (look.outcome["ready"], look.outcome["bad"], len(look.outcome["problems"])) == (False, 1_200, 1_000)
    assert look.outcome["problems"][0] == {"file": "plain.csv", "row": 3, "column": "subtotal", "value": "hundred", "expected": "a number"}
    done = handled(configured, asked(files), look=False)
    assert done.failures and done.outcome["problems"][0]["row"] == 3


@pytest.mark.parametrize("content", ["", "PK\x03\x04", "a,b\n1,2\n", HEADER])
def test_a_file_that_is_none_is_refused_in_a_sentence(configured: Context, content: str) -> None:
    look = handled(configured, asked(uploaded(content)), look=True)
    assert look.message.startswith("Nothing would be imported. plain.csv") and len(look.outcome["problems"]) == 1


def test_an_active_invoice_takes_no_files(configured: Context) -> None:
    handled(configured, asked(uploaded(HEADER + SEAT), activate=True), look=False)
    look = handled(configured, asked(uploaded(HEADER + SEAT * 2)), look=True)
    assert (look.outcome["ready"], look.message) == (False, "Invoice F1 is Active and takes no files. Deactivate it first, then import.")


def test_the_same_import_is_queued_once_and_another_of_the_same_invoice_is_refused(configured: Context) -> None:
    first, second = asked(uploaded(HEADER + SEAT)), asked(uploaded(HEADER + SEAT * 2))
    job_id = queue.ask_files(configured.engine, first, look=False, actor="ana")
    assert queue.ask_files(configured.engine, first, look=False, actor="bo") == job_id
    with pytest.raises(AlreadyRunning, match="Other files are being imported as invoice F1 of distributor"):
        queue.ask_files(configured.engine, second, look=False, actor="bo")
    assert queue.ask_files(configured.engine, second, look=True, actor="bo") != job_id


def test_an_import_waits_for_whoever_is_at_the_invoice(configured: Context) -> None:
    with configured.engine.connect() as connection:
        assert store_engine.lock(connection, *ledger.lock_names("distributor", "F1"))
        connection.commit()
        with pytest.raises(AlreadyRunning):
            handled(configured, asked(uploaded(HEADER + SEAT)), look=False)


@pytest.mark.parametrize("said", [{"invoice": " "}, {"files": ()}, {"provider": "nobody"}, {"override": Decimal(-1)}, {"invoice": "a\nb"}])
def test_what_no_job_could_do_is_refused_at_once(configured: Context, said: dict) -> None:
    with pytest.raises(CallRefused):
        queue.ask_files(configured.engine, asked(**{"files": (uploaded(HEADER + SEAT),)} | said), look=True, actor="ana")


def test_a_name_is_never_a_path(configured: Context, tmp_path: Path) -> None:
    home = configured.settings.home
    secret = tmp_path / "secret.csv"
    secret.write_text(HEADER + SEAT)
    inbox = handed.inbox(home, "distributor")
    (inbox / "link.csv").symlink_to(secret)
    (inbox / ".hidden.csv").write_text("x")
    (inbox / "large.csv").write_text(HEADER + SEAT)
    assert [file.name for file in handed.waiting(home, "distributor")] == ["large.csv"]
    assert uploaded("x", "..\\..\\etc/pass\x00wd.csv").name == "pass?wd.csv"
    outside = os.path.relpath(secret, inbox)
    for wrong in (
        HandedFile(outside, 1, inbox="distributor"),
        HandedFile("link.csv", 1, inbox="distributor"),
        HandedFile("secret.csv", 1, inbox=str(tmp_path)),
        HandedFile("secret.csv", 1, inbox=".."),
        HandedFile("secret.csv", 1, upload=f"../{secret.name}"),
        HandedFile("secret.csv", 1),
    ):
        with pytest.raises(CallRefused, match="is not on the server any more"):
            handed.path_of(home, wrong)
        assert "not on the server" in handled(configured, asked(wrong), look=True).message
    assert handled(configured, asked(HandedFile("large.csv", 1, inbox="distributor")), look=True).outcome["ready"]


def test_uploads_that_wait_have_a_quota_and_what_goes_beyond_leaves_nothing_behind(
    configured: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handed, "MOST_MEGABYTES", 1)
    uploads = configured.settings.home / "uploads"
    kept = uploaded("x" * 600_000)
    with pytest.raises(CallRefused, match=r"b\.csv was not kept: 1 MB of uploads wait on the server already, and at most 1 MB may"):
        uploaded("y" * 600_000, "b.csv")
    assert [path.name for path in uploads.iterdir()] == [kept.upload]
    assert uploaded("z" * 300_000).size == 300_000


def test_a_viewer_writes_nothing_to_the_servers_disk(configured: Context) -> None:
    with configured.engine.begin() as connection:
        people.came(connection, subject="https://idp|vic", name="vic", email=None, claimed=None, now=configured.now)
    peopling.give(configured.engine, "vic", "viewer", actor="operator", now=configured.now)
    with pytest.raises(AccessRefused, match="Importing files takes the role analyst, and yours is viewer"):
        queue.keep(configured.engine, "a.csv", io.BytesIO(b"x"), actor=Person("https://idp|vic", "vic"))
    assert not (configured.settings.home / "uploads").exists()


def test_an_upload_is_kept_once_and_swept_after_a_week(configured: Context) -> None:
    home = configured.settings.home
    first, again = uploaded("same", "a.csv"), uploaded("same", "b.csv")
    assert handed.path_of(home, first) == handed.path_of(home, again)
    assert [path.name for path in (home / "uploads").iterdir()] == [first.upload]
    old = time.time() - (handed.KEPT_DAYS * 86_400 + 60)
    os.utime(handed.path_of(home, first), (old, old))
    other = uploaded("other")
    assert [path.name for path in (home / "uploads").iterdir()] == [other.upload]


def test_a_worker_looks_and_imports(configured: Context, tmp_path: Path) -> None:
    what = asked(uploaded(HEADER + SEAT), total=Decimal("119.00"), activate=True)
    look = queue.ask_files(configured.engine, what, look=True, actor="ana")
    done = queue.ask_files(configured.engine, what, look=False, actor="ana")
    log = tmp_path / "worker.log"
    with working.worker(configured, log):
        seen, imported = (working.ended(configured, job_id, log) for job_id in (look, done))
    assert (seen.state, seen.outcome["ready"], seen.lines_done) == ("done", True, 1)
    assert (imported.state, imported.message) == ("done", "Invoice F1 is Active, 1 line.")
    assert estates.children(configured.engine) == (1, 0, 0)
