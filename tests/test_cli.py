"""Does the command line keep its contract: exit codes, one JSON document, sentences instead of tracebacks?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import Engine

from tests import estates, postgres
from tests.books import Books, seat as license_line
from tests.conftest import NOW, Command
from tests.estates import Estate, Served, daily, seat, usage
from w365core.store.engine import pooled

PASSWORD = "planted-password-77"
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass
class Shop:
    """An installation with a provider and its records, driven by the command line alone."""

    process: Command
    served: Served
    engine: Engine
    folder: Path

    def __call__(self, *arguments: str | Path, **environment: str) -> CompletedProcess[str]:
        """The command in a process of its own, forked because starting Python anew takes longer than most commands."""
        return replace(self.process, forks=True)(*arguments, **environment)

    def json(self, *arguments: str | Path, exits: int = 0, **environment: str) -> object:
        """What it prints with --json, which is one document and nothing else."""
        done = self(*arguments, "--json", **environment)
        assert done.returncode == exits, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shop(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all tests here: G1 and G2 are in, BAD cannot be, OLD is of an earlier month."""
    folder = tmp_path_factory.mktemp("shop")
    estate = Estate(folder / "estate", client_secret=estates.SECRET)
    estates.two_invoices_worth(estate, "G1")
    estate.invoice("G2", [seat("10.00", currency="USD")], total="10.00", currency="USD")
    estate.invoice(
        "BAD",
        [seat("50.00", CustomerId=estates.FABRIKAM, CustomerName="Fabrikam", CustomerDomainName="fabrikam.example"), usage("1E-7")],
        [daily("1E-7")],
        total="50.0000001",
    )
    estate.invoice("OLD", [seat("1.00")], dated="2026-10-08")
    records = estate.records(folder / "records", provider_accounts=estates.without_customer(estates.FABRIKAM))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    told = {
        "W365_POLL": "0.02",
        "W365_HTTP_TIMEOUT": "2",
        "W365_HTTP_TRIES": "1",
        "W365_SECRET_CSP": estates.SECRET,
        "W365_NOW": NOW.isoformat(),
    }
    with postgres.used_database(template) as url, estates.serve(estate) as served:
        command = Command({**kept, **told, "DATABASE_URL": url, "W365_HOME": str(folder / "home")}, forks=False)
        made = Shop(command, served, pooled(url), folder)
        assert command("load", records).returncode == 0
        places = [part for name in ("api", "graph", "login") for part in (f"--{name}-url", served.url)]
        identity = ["--tenant-id", estates.TENANT, "--client-id", "app"]
        assert made("provider", "add", "csp", "--type", "partner_center", *identity, *places).returncode == 0
        assert made("provider", "add", "distributor", "--type", "manual").returncode == 0
        told_first = command("sync", "--json")
        assert told_first.returncode == 1, told_first.stderr
        yield made


def fields(text: str) -> set[str]:
    return set(text.replace('"', "").split(","))


def test_invoices_are_told_as_the_contract_says(shop: Shop) -> None:
    told = {invoice["invoice"]: invoice for invoice in shop.json("invoices", "--provider", "CSP", "--period", "2026-11")}
    promised = fields(
        '"invoice","provider","state","status_reason","failure","message","currency","header_total","lines_total","difference","tolerance",'
        '"invoice_date","attempts","changed_at_provider"'
    )
    assert set(told) == {"G1", "G2", "BAD"}
    assert all(promised <= set(invoice) for invoice in told.values())
    g1, bad = told["G1"], told["BAD"]
    assert (g1["state"], g1["status_reason"], g1["failure"], g1["attempts"]) == ("Active", "Active", None, 1)
    assert (g1["header_total"], g1["lines_total"], g1["invoice_date"]) == ("1220.000", "1220.00", "2026-11-08")
    assert (bad["state"], bad["status_reason"], bad["failure"]) == ("Inactive", "Error", "unresolved_references")
    assert g1["changed_at_provider"] is False
    for invoice in told.values():
        amounts = [invoice[name] for name in ("header_total", "lines_total", "difference", "tolerance")]
        assert all(isinstance(amount, str) and _NUMBER.fullmatch(amount) for amount in amounts)
    assert bad["header_total"] == "50.0000001"


def test_lines_are_told_as_the_contract_says(shop: Shop) -> None:
    told = shop.json("lines", "--invoice", "g1")
    assert set(told) == {"license", "usage"}
    license_fields = fields("subscription_id,charge_type,charge_start,charge_end,quantity,unit_cost,subtotal,tax,total,currency")
    usage_fields = fields(
        "usage_id,subscription_id,account_id,product,charge_start,charge_end,quantity,cost,markup_pct,selling_amount,currency,status,invoice_number"
    )
    assert [line["subtotal"] for line in told["license"]] == ["1234.567", "-34.57"]
    assert all(license_fields <= set(line) for line in told["license"]) and all(usage_fields <= set(row) for row in told["usage"])
    first = told["license"][0]
    assert {name: first[name] for name in ("subscription_id", "charge_type", "charge_start", "charge_end", "tax", "total", "currency")} == {
        "subscription_id": "S-1", "charge_type": "cycleCharge", "charge_start": "2026-10-01", "charge_end": "2026-10-31", "tax": "0.003",
        "total": "1234.570", "currency": "EUR",
    }  # fmt: skip
    (row,) = told["usage"]
    assert (row["cost"], row["markup_pct"], row["selling_amount"], row["status"], row["invoice_number"]) == (
        "19.9999999", "15", "23.00", "Not invoiced", None,
    )  # fmt: skip
    assert _NUMBER.fullmatch(row["quantity"])


def test_missing_references_are_told_as_the_contract_says(shop: Shop) -> None:
    told = shop.json("missing-references", "--invoice", "BAD")
    promised = fields("invoice,kind,key,name,blocking,lines,amount,currency,suggestion")
    (missing,) = told
    assert promised <= set(missing)
    assert (missing["invoice"], missing["kind"], missing["blocking"], missing["lines"]) == ("BAD", "customer", True, 1)
    assert missing["amount"] == "50.00" and "map-account" in missing["suggestion"]
    assert shop.json("missing-references") == told


def test_tables_are_for_people_and_say_when_they_are_empty(shop: Shop) -> None:
    assert "G1" in shop("invoices").stdout
    assert "Fabrikam" in shop("missing-references").stdout
    assert shop("missing-references", "--invoice", "G1").stdout == "Nothing is missing.\n"
    assert "S-1" in shop("lines", "--invoice", "G1").stdout


_RIGHT = [
    (["init"], {}),
    (["provider", "list"], {}),
    (["invoices", "--period", "2026-01"], {}),
    (["invoices", "--provider", "Distributor"], {}),
    (["sync", "--invoice", "OLD"], {}),
]
_WRONG = [
    (["sync", "--invoice", "G1"], "is Active and is not downloaded again"),
    (["sync", "--invoice", "NOBODY"], "does not list an invoice NOBODY"),
    (["sync", "--provider", "nobody"], "There is no provider nobody"),
    (["sync", "--provider", "distributor"], "which has no connection: import its invoices from files"),
    (["sync", "--override-tolerance", "5"], "say which with --invoice"),
    (["sync", "--invoice", "BAD", "--override-tolerance", "much"], "--override-tolerance is 'much'"),
    (["sync", "--invoice", "BAD", "--override-tolerance=-1"], "at least 0"),
    (["lines", "--invoice", "NOBODY"], "There is no invoice NOBODY"),
    (["invoices", "--provider", "nobody"], "There is no provider nobody; `provider list` shows them"),
    (["invoices", "--period", "2026-13"], "--period is '2026-13'; write a month as YYYY-MM, such as 2026-11."),
    (["bill", "--period", "Nov 2026"], "--period is 'Nov 2026'; write a month as YYYY-MM"),
    (["diagnose", "--period", ""], "--period is ''; write a month as YYYY-MM"),
    (["load", "{folder}/nowhere"], "There is no folder"),
    (["load", "{folder}/bad-records"], "currencies.csv, row 2, column rate_to_base"),
    (["import", "{folder}/nowhere.csv", "--provider", "csp", "--invoice", "X"], "nowhere.csv"),
    (["import", "{folder}/estate/estate.json", "--provider", "csp", "--invoice", "X"], "estate.json"),
    (["import", "{folder}/records/accounts.csv", "--provider", "csp", "--invoice", "X", "--total", "1,5"], "--total is '1,5'"),
    (["import", "{folder}/records/accounts.csv", "--provider", "csp", "--invoice", "X", "--invoice-date", "8.11.2026"], "2026-11-30"),
    (["import", "{folder}/records/accounts.csv", "--provider", "csp", "--invoice", "X", "--currency", "euro"], "three letters"),
    (["provider", "add", "new one", "--type", "manual"], "is no name for a provider"),
    (["provider", "add", "csp", "--graph-url", "http://169.254.169.254"], "169.254.169.254"),
]
_MISSING = [
    (["sync"], {"W365_SECRET_CSP": ""}, "W365_SECRET_CSP"),
    (["invoices"], {"DATABASE_URL": f"mysql://u:{PASSWORD}@localhost/x"}, "only Postgres is supported"),
    (["invoices"], {"DATABASE_URL": f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"}, "Could not reach the database of DATABASE_URL"),
    (["invoices"], {"W365_NOW": "yesterday"}, "W365_NOW is 'yesterday'"),
    (["sync"], {"W365_HTTP_TRIES": "0"}, "W365_HTTP_TRIES"),
    (["sync", "--invoice", "BAD"], {"W365_HOME": "/dev/null/home"}, "/dev/null/home"),
]
_FAULTS = [
    (["sync"], "500@invoices", "answered 500"),
    (["sync", "--provider", "csp"], "refused-secret", "secret"),
    (["sync", "--invoice", "BAD"], "500@operation", "answered 500"),
]


def test_each_way_to_end_is_that_of_a_process_of_its_own(shop: Shop) -> None:
    """The other tests fork their commands; these five start as a person's do."""
    shop.served.faults.replace(["500@exportx1", "500@operationx1"])
    ends = {
        0: shop.process("invoices", "--json"),
        3: shop.process("sync", "--invoice", "BAD", "--json"),
        1: shop.process("sync", "--invoice", "BAD", "--json"),
        2: shop.process("sync", "--invoice", "G1", "--json"),
        4: shop.process("invoices", "--json", DATABASE_URL="nonsense"),
    }
    shop.served.faults.replace([])
    assert {wanted: done.returncode for wanted, done in ends.items()} == {code: code for code in ends}
    for done in ends.values():
        json.loads(done.stdout)
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "environment"), _RIGHT)
def test_what_goes_well_exits_0(shop: Shop, arguments: list[str], environment: dict[str, str]) -> None:
    shop.json(*arguments, exits=0, **environment)


@pytest.mark.parametrize(("arguments", "said"), _WRONG, ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "")
def test_a_wrong_call_exits_2_and_changes_nothing(shop: Shop, arguments: list[str], said: str) -> None:
    bad = shop.folder / "bad-records"
    bad.mkdir(exist_ok=True)
    (bad / "currencies.csv").write_text("code,rate_to_base\nCHF,much\n")
    before = estates.digest(shop.engine)
    done = shop(*(argument.format(folder=shop.folder) for argument in arguments), "--json")
    _is_refused(done, 2, said)
    assert estates.digest(shop.engine) == before


@pytest.mark.parametrize("arguments", [["nonsense"], ["sync", "--nonsense"], ["import"], ["provider", "add", "x", "--type", "nonsense"]])
def test_a_call_nobody_knows_exits_2(shop: Shop, arguments: list[str]) -> None:
    done = shop(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr and "Traceback" not in done.stderr
    told = shop(*arguments, "--json")
    assert told.returncode == 2 and "Traceback" not in told.stderr
    assert set(json.loads(told.stdout)) == {"error", "problems"}


@pytest.mark.parametrize(("arguments", "environment", "said"), _MISSING, ids=lambda value: str(value)[:60])
def test_missing_configuration_exits_4(shop: Shop, arguments: list[str], environment: dict[str, str], said: str) -> None:
    done = shop(*arguments, "--json", **environment)
    _is_refused(done, 4, said)
    assert PASSWORD not in done.stderr + done.stdout


def test_a_database_without_a_schema_exits_4_until_init(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "currencies.csv").write_text("code,rate_to_base\nEUR,1\n")
    with postgres.fresh_database() as url:
        _is_refused(shop("invoices", "--json", DATABASE_URL=url), 4, "run `python -m w365core init`")
        _is_refused(shop("sync", "--json", DATABASE_URL=url), 4, "run `python -m w365core init`")
        _is_refused(shop("load", tmp_path, "--json", DATABASE_URL=url), 4, "run `python -m w365core init`")
        assert shop.json("init", DATABASE_URL=url)["changed"] is True
        assert shop.json("init", DATABASE_URL=url)["changed"] is False
        assert shop.json("invoices", DATABASE_URL=url) == []
        _is_refused(shop("sync", "--json", DATABASE_URL=url), 4, "No provider with a connection is configured")
        assert (
            shop.json("provider", "add", "csp", "--type", "partner_center", DATABASE_URL=url)["new"] is True
        )  # its files can come by hand
        _is_refused(shop("sync", "--json", DATABASE_URL=url), 4, "has no tenant or client id")


@pytest.mark.parametrize(("arguments", "fault", "said"), _FAULTS)
def test_a_provider_that_fails_exits_3(shop: Shop, arguments: list[str], fault: str, said: str) -> None:
    shop.served.faults.replace([fault])
    try:
        done = shop(*arguments, "--json")
    finally:
        shop.served.faults.replace([])
    assert done.returncode == 3, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr + done.stdout
    assert isinstance(json.loads(done.stdout), dict)
    for secret in (estates.SECRET, "sig=", "Bearer "):
        assert secret not in done.stderr + done.stdout
    kept = [left for left in estates.leftovers(shop.engine, shop.folder / "home") if not left.startswith("table")]  # BAD's preview
    assert kept == []


def test_data_with_problems_exits_1_and_the_gravest_wins(shop: Shop) -> None:
    told = shop.json("sync", "--invoice", "BAD", exits=1)
    assert [(o["invoice"], o["status"], o["failure"]) for o in told["invoices"]] == [("BAD", "Inactive/Error", "unresolved_references")]
    shop.served.faults.replace(["changed-total:G1"])
    try:
        changed = shop.json("sync", exits=1)
        assert changed["changed_at_provider"] == ["G1"]
        shop.served.faults.replace(["changed-total:G1", "500@operation", "500@export"])
        assert shop.json("sync", exits=3)["changed_at_provider"] == ["G1"]
    finally:
        shop.served.faults.replace([])


def test_the_clock_is_the_one_that_w365_now_says(shop: Shop) -> None:
    path = shop.folder / "plain.json"
    path.write_text(json.dumps(seat("3.00")) + "\n")
    told = shop.json("import", path, "--provider", "csp", "--invoice", "CLOCK", W365_NOW="2025-02-03T04:05:06Z")
    assert (told["status"], told["state"], told["status_reason"]) == ("Active/Active", "Active", "Active")
    assert told["files"][0]["kind"] == "reconciliation"
    (found,) = shop.json("invoices", "--period", "2025-02")
    assert (found["invoice"], found["invoice_date"]) == ("CLOCK", "2025-02-03")


def test_an_import_of_lines_that_name_another_invoice_warns_on_standard_error_and_ends_as_ever(shop: Shop) -> None:
    path = shop.folder / "other.json"
    path.write_text(json.dumps(seat("3.00", InvoiceNumber="G99")) + "\n")
    done = shop("import", path, "--provider", "csp", "--invoice", "G10", "--json")
    (warning,) = json.loads(done.stdout)["warnings"]
    assert done.returncode == 0 and "1 line names invoice G99, not G10." in warning and f"warning: {warning}" in done.stderr


def test_an_invoice_without_lines_is_imported_by_hand_once_its_total_is_said_to_be_nothing(shop: Shop) -> None:
    path = shop.folder / "header.csv"
    path.write_text("customer_id,subscription_id,subtotal,tax,total,currency\n")
    call = ("import", path, "--provider", "distributor", "--invoice", "EMPTY", "--currency", "EUR")
    _is_refused(shop(*call, "--json"), 2, "--total 0")
    told = shop.json(*call, "--total", "0")
    assert (told["status"], told["files"][0]["rows"]) == ("Active/Populating", 0)
    (found,) = [one for one in shop.json("invoices") if one["invoice"] == "EMPTY"]
    assert (found["header_total"], found["lines_total"], found["difference"]) == ("0", "0.00", "0.00")


def test_a_secret_given_to_a_provider_is_nowhere_to_be_seen(shop: Shop) -> None:
    done = shop("provider", "list", "--json")
    assert "ok, last run" in done.stdout or "failed" in done.stdout
    assert estates.SECRET not in done.stdout + done.stderr


def _is_refused(done: CompletedProcess[str], code: int, said: str) -> None:
    assert done.returncode == code, done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert said in json.loads(done.stdout)["error"] + json.dumps(json.loads(done.stdout)["problems"]) or said in done.stderr


@pytest.mark.parametrize("strictly", [False, True])
def test_an_import_waits_for_no_library_that_it_does_not_use(w365: Command, tmp_path: Path, strictly: bool) -> None:
    """Pandas takes longer to load than a small invoice to import, and Arrow loads it unasked for one Python value."""
    books = Books(w365, tmp_path)
    books.subscription(), books.log("L-1", "10")
    books.load()
    lines = (
        [license_line(), license_line(ProductName="Two\nlines, so that only the strict reader may read it")]
        if strictly
        else [license_line()]
    )
    started = replace(books, w365=replace(w365, forks=False, environment={**w365.environment, "PYTHONPROFILEIMPORTTIME": "1"}))
    said = started.invoice(lines)
    loaded = {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert {"polars", "pyarrow", "w365core.jobs.filing", "w365core.kernels.reconcile"} <= loaded and not {
        "pandas",
        "streamlit",
        "plotly",
    } & loaded
