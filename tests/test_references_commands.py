"""Do the commands that supply what is missing keep the contract: exit codes, one JSON document, sentences, and nothing before it is asked for?"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import text

from tests import estates, postgres
from tests.conftest import NOW, Command
from tests.estates import FABRIKAM, Estate, seat
from tests.test_cli import Shop
from w365core.store.engine import pooled

WINGTIP = "d1b2c3d4-0000-4000-8000-00000000000f"
MAP = ["map-account", "--provider", "CSP", "--provider-account-id", FABRIKAM, "--account", "a-2"]


@pytest.fixture(scope="module")
def filled(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """G1 waits for Fabrikam, G2 for Fabrikam and a checksum, OLD for an old subscription, CHF for its currency."""
    folder = tmp_path_factory.mktemp("shop")
    estate = Estate(folder / "estate")
    named = {"CustomerName": "Fabrikam", "CustomerDomainName": "fabrikam.example", "SubscriptionId": ""}
    estate.invoice("G1", [seat("100.00", CustomerId=FABRIKAM, **named), seat("11.00")])
    estate.invoice("G2", [seat("5.00", CustomerId=FABRIKAM, **named)], total="1334.75")
    estate.invoice("OLD", [seat("7.00", SubscriptionId="old-1")])
    estate.invoice("CHF", [seat("9.00", currency="CHF")], currency="CHF")
    records = estate.records(folder / "records", provider_accounts=estates.without_customer(FABRIKAM))
    with postgres.used_database(template) as url, estates.serve(estate) as served:
        told = {"DATABASE_URL": url, "W365_HOME": str(folder / "home"), "W365_NOW": NOW.isoformat(), "W365_POLL": "0.02"}
        told |= {"W365_SECRET_CSP": estates.SECRET, "W365_HTTP_TRIES": "1", "PATH": "/usr/bin:/bin"}
        made = Shop(Command(told), served, pooled(url), folder)
        assert made("load", records).returncode == 0
        places = [part for name in ("api", "graph", "login") for part in (f"--{name}-url", served.url)]
        identity = ["--tenant-id", estates.TENANT, "--client-id", "app"]
        assert made("provider", "add", "csp", "--type", "partner_center", *identity, *places).returncode == 0
        assert made("sync", "--json").returncode == 1
        yield made


@pytest.fixture
def shop(filled: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The same on a database of one's own; what landed is shared, since nothing there is ever changed."""
    with postgres.fresh_database(filled.engine.url.database) as url:
        command = Command({**filled.process.environment, "DATABASE_URL": url})
        yield replace(filled, process=command, engine=pooled(url), folder=tmp_path)
    filled.served.faults.replace([])


def standing(shop: Shop) -> dict[str, str]:
    return {one["invoice"]: one["status_reason"] for one in shop.json("invoices")}


def test_map_account_alone_imports_nothing_and_with_validate_what_waited_comes_in(shop: Shop) -> None:
    shop.served.faults.replace(["500@invoices", "500@export", "500@operation"])  # nobody asks the provider
    told = shop.json(*MAP)
    assert {name: told[name] for name in ("provider", "provider_account_id", "account_id")} == {
        "provider": "csp", "provider_account_id": FABRIKAM, "account_id": "a-2",
    }  # fmt: skip
    assert standing(shop)["G1"] == "Error"
    told = shop.json(*MAP, "--validate", exits=1)
    assert {one["invoice"]: one["status"] for one in told["invoices"]} == {"G1": "Active/Active", "G2": "Inactive/Error"}
    assert standing(shop) == {"G1": "Active", "G2": "Error", "OLD": "Error", "CHF": "Error"}


def test_map_account_says_what_it_did_in_the_words_it_always_had(shop: Shop) -> None:
    done = shop(*MAP)
    assert (done.returncode, done.stdout) == (0, f"{FABRIKAM} of csp is account a-2 now; sync the invoices that wait on it.\n")
    assert shop("map-account", "--provider", "csp", "--provider-account-id", FABRIKAM, "--account", "A-1").returncode == 0


def test_what_is_mapped_is_said_to_be_mapped_until_its_invoice_is_read_again(shop: Shop) -> None:
    """To another account than the one that it looks like: nothing advises to undo it."""
    assert shop(*MAP[:-1], "A-1").returncode == 0
    (told,) = [one for one in shop.json("missing-references", "--invoice", "G1") if one["kind"] == "customer"]
    assert (told["key"], told["blocking"], told["amount"], told["fix"]) == (FABRIKAM, True, "100.00", None)
    assert told["suggestion"] == (
        "It is mapped to account A-1 (Contoso) already; the invoice is in Error until it is read again: sync it, or import it again."
    )
    assert standing(shop)["G1"] == "Error"
    shop("validate", "--invoice", "G1")
    assert standing(shop)["G1"] == "Active" and shop.json("missing-references", "--invoice", "G1") == []


def test_a_dry_run_says_what_would_be_released_and_changes_nothing(shop: Shop) -> None:
    before = estates.digest(shop.engine)
    told = shop.json(*MAP, "--dry-run")
    assert told["message"] == "This would release 1 invoice, 111.00 EUR. 1 invoice would stay held up."
    assert [(one["invoice"], one["amount"], one["currency"]) for one in told["released"]] == [("G1", "111.00", "EUR")]
    assert told["held_up"][0]["message"] == "G2: its references would be resolved, its checksum still fails by 1,329.75 EUR."
    assert told["released_money"] == {"EUR": "111.00"} and told["dry_run"] is True
    assert "This would release 1 invoice, 111.00 EUR." in shop(*MAP, "--dry-run").stdout
    assert estates.digest(shop.engine) == before


def test_missing_references_say_the_fix_how_sure_it_is_and_who_waits(shop: Shop) -> None:
    told = {(one["invoice"], one["kind"]): one for one in shop.json("missing-references")}
    customer = told["G1", "customer"]
    assert customer["fix"] == {
        "action": "map_account", "key": FABRIKAM, "provider": "csp", "account_id": "A-2", "name": "Fabrikam",
        "because": "same domain fabrikam.example", "ready": True,
    }  # fmt: skip
    assert (customer["confidence"], customer["customers_waiting"], customer["amount"]) == ("1", 2, "100.00")
    assert told["OLD", "subscription"]["fix"]["under"] == "old-ids" and told["OLD", "subscription"]["confidence"] == "0.50"
    assert told["CHF", "currency"]["fix"]["ready"] is False and told["CHF", "currency"]["confidence"] is None


@pytest.mark.parametrize(
    ("arguments", "invoice"),
    [
        (["add-subscription", "--provider", "csp", "--provider-subscription-id", "old-1", "--kind", "license", "--account", "A-1"], "OLD"),
        (["alias-subscription", "--provider", "csp", "--provider-subscription-id", "OLD-1", "--subscription", "S-1"], "OLD"),
        (["add-currency", "--code", "chf", "--rate", "1.05"], "CHF"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_each_command_releases_what_waited_on_it(shop: Shop, arguments: list[str], invoice: str) -> None:
    assert [one["invoice"] for one in shop.json(*arguments, "--dry-run")["released"]] == [invoice]
    told = shop.json(*arguments, "--validate", "--reason", "asked Bo")
    assert [(one["invoice"], one["status"]) for one in told["invoices"]] == [(invoice, "Active/Active")]
    with shop.engine.connect() as connection:
        assert connection.execute(text("select count(*) from audit_log where reason = 'asked Bo'")).scalar_one() >= 1


def test_choose_product_gives_a_subscription_its_product_or_makes_a_new_one(shop: Shop) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text("update subscription set product_id = null"))
    assert (
        "S-1 has the product CFQ7 now." in shop("choose-product", "--provider", "csp", "--subscription", "S-1", "--product", "CFQ7").stdout
    )
    told = shop.json("choose-product", "--provider", "csp", "--printed", "NEW-1", "--product", "NEW-1", "--name", "Brand new")
    assert told["done"] == ["NEW-1 is a product of ours now (Brand new)."]


def test_fixes_go_out_as_a_csv_are_edited_and_come_back_as_a_bulk(shop: Shop) -> None:
    path = shop.folder / "fixes.csv"
    shop.json("missing-references", "--fixes", path)
    rows = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    assert [(row["action"], row["key"]) for row in rows] == [
        ("map_account", FABRIKAM), ("add_currency", "CHF"), ("add_subscription", "old-1"),
    ]  # fmt: skip
    refused = shop("supply", path, "--dry-run", "--json")
    assert refused.returncode == 2 and "fixes.csv, row 3, column rate_to_base" in refused.stderr
    rows[1]["rate_to_base"] = "1.05"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    told = shop.json("supply", path, "--dry-run")
    assert told["message"] == "This would release 3 invoices, 118.00 EUR and 9.00 CHF. 1 invoice would stay held up."
    told = shop.json("supply", path, "--validate", exits=1)
    assert standing(shop) == {"G1": "Active", "G2": "Error", "OLD": "Active", "CHF": "Active"}
    assert len(told["done"]) == 3
    assert shop.json("supply", path)["done"][0].endswith("already.")


def test_every_row_of_a_csv_that_makes_no_sense_is_named_and_nothing_is_done(shop: Shop) -> None:
    path = shop.folder / "fixes.csv"
    path.write_text(
        f"action,provider,key,account_id,rate_to_base\n\nmap_account,csp,{FABRIKAM},A-2,\nmap_account,csp,x,A-9,\nadd_currency,,EUR,,7\n"
    )
    before = estates.digest(shop.engine)
    done = shop("supply", path, "--json")
    assert done.returncode == 2
    assert [(one["file"], one["row"], one["column"], one["value"]) for one in json.loads(done.stdout)["problems"]] == [
        ("fixes.csv", 4, "account_id", "A-9"), ("fixes.csv", 5, "key", "EUR"),
    ]  # fmt: skip
    assert estates.digest(shop.engine) == before


def test_validate_brings_in_what_a_load_has_supplied(shop: Shop) -> None:
    assert shop.json("validate", "--invoice", "G1", exits=1)["invoices"][0]["failure"] == "unresolved_references"
    (shop.folder / "more").mkdir()
    (shop.folder / "more" / "provider_accounts.csv").write_text(f"provider,provider_account_id,account_id\ncsp,{FABRIKAM},A-2\n")
    assert shop("load", shop.folder / "more").returncode == 0
    told = shop.json("validate", "--invoice", "g1")
    assert [(one["invoice"], one["status"]) for one in told["invoices"]] == [("G1", "Active/Active")]
    assert {one["invoice"] for one in shop.json("validate", exits=1)["invoices"]} == {"G2", "OLD", "CHF"}
    assert {one["invoice"] for one in shop.json("validate", exits=1)["invoices"]} == {"OLD", "CHF"}  # G2 waits for no reference any more


_WRONG = [
    (["validate", "--invoice", "NOBODY"], "There is no invoice NOBODY"),
    (["validate", "--provider", "csp"], "--provider says whose invoice it is"),
    ([*MAP[:-1], "A-9"], "account_id is 'A-9': expected an account of ours"),
    (["map-account", "--provider", "nobody", "--provider-account-id", "x", "--account", "A-1"], "There is no provider nobody"),
    ([*MAP, "--dry-run", "--validate"], "take one of the two"),
    (["add-currency", "--code", "CHF", "--rate", "0"], "a rate above zero"),
    (["add-currency", "--code", "CHF", "--rate", "nan"], "--rate is 'nan'"),
    (["add-currency", "--code", "EUR", "--rate", "2"], "EUR has the rate 1"),
    (
        ["add-subscription", "--provider", "csp", "--provider-subscription-id", estates.SEATS, "--kind", "License"],
        "it is our subscription S-1 already",
    ),
    (["add-subscription", "--provider", "csp", "--provider-subscription-id", "x", "--kind", "Seat"], "expected one of License, Usage"),
    (["alias-subscription", "--provider", "csp", "--provider-subscription-id", "x", "--subscription", "S-9"], "a subscription of ours"),
    (["choose-product", "--provider", "csp", "--product", "CFQ7"], "--printed with the product's id"),
    (["supply", "{folder}/nowhere.csv"], "Could not read"),
    (["supply", "{folder}/empty.csv"], "holds no fix"),
]


def test_a_wrong_call_exits_2_and_changes_nothing(shop: Shop) -> None:
    (shop.folder / "empty.csv").write_text("action,key\n")
    before = estates.digest(shop.engine)
    for arguments, said in _WRONG:
        done = shop(*(argument.format(folder=shop.folder) for argument in arguments), "--json")
        assert _refused(done, said), (arguments, done)
    assert estates.digest(shop.engine) == before


def _refused(done: CompletedProcess[str], said: str) -> bool:
    return done.returncode == 2 and said in done.stderr and said in json.loads(done.stdout)["error"] and "Traceback" not in done.stderr


def test_nothing_to_validate_is_said(shop: Shop) -> None:
    with postgres.fresh_database() as url:
        assert shop("init", DATABASE_URL=url).returncode == 0
        assert shop("validate", DATABASE_URL=url).stdout == "Nothing to do: no invoice waits on a reference.\n"
