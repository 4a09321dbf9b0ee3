"""Loading our records into a real Postgres: upserts by key, untouched rows, all or nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.postgres import fresh_database
from w365core.errors import CallRefused, InputRefused, StoreUnavailable
from w365core.frames import RECORD_FILES
from w365core.intake.records import read_folder
from w365core.jobs.loading import LoadResult, load
from w365core.store.engine import pooled
from w365core.store.records import load as store_records
from w365core.store.schema import upgrade

FILES = {
    "currencies.csv": "code,rate_to_base\nEUR,1\nusd,0.92\n",
    "accounts.csv": "account_id,name,domain,currency,credit_hold\nA1,Contoso,contoso.com,EUR,\nA2,Fabrikam,,EUR,yes\n",
    "provider_accounts.csv": "provider,provider_account_id,account_id\ncsp,0E195B37-4574-4539-BC42-0E539B9684C0,A1\n",
    "products.csv": "product_id,name,unit\nP1,Seats,\nP2,Years,Annual\n",
    "billing_contracts.csv": "contract_id,account_id,frequency,start_date\nC1,A1,monthly,2026-01-01\n",
    "subscriptions.csv": "subscription_id,provider,account_id,contract_id,product_id,kind,quantity,selling_price,currency\n"
    "S1,csp,A1,C1,P1,License,10,22.50,EUR\nS2,csp,A2,,P2,Usage,,,EUR\n",
    "subscription_aliases.csv": "provider,provider_subscription_id,subscription_id\ncsp,old-1,S1\n",
    "license_change_logs.csv": "change_log_id,subscription_id,quantity,effective_date\nL1,S1,12,2026-01-01\nL2,S1,-2,2026-02-01\n",
    "invoices.csv": "invoice_number,contract_id,account_id,invoice_date,status\nI1,C1,A1,2026-02-01,billed\n",
    "invoice_lines.csv": "invoice_number,line_number,subscription_id,quantity,amount\nI1,1,S1,10,225.00\nI1,2,S1,-1,-22.50\n",
}


@pytest.fixture(scope="module")
def template():
    with fresh_database() as url:
        engine = pooled(url)
        upgrade(engine)
        yield engine.url.database


@pytest.fixture
def engine(template):
    with fresh_database(template) as url:
        yield pooled(url)


def folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        (path / name).write_text(content, encoding="utf-8")
    return path


def loaded(engine, path: Path) -> LoadResult:
    with engine.begin() as connection:
        return load(connection, path)


def rows(engine, query: str) -> list[tuple]:
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def do(engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def everything(engine) -> dict[str, list[tuple]]:
    """Every row, with the transactions that wrote and locked it."""
    tables = [file.table for file in RECORD_FILES.values()]
    return {table: rows(engine, f"select xmin::text, xmax::text, t.* from {table} t order by 3, 4") for table in tables}


def test_a_whole_folder_is_loaded_with_its_defaults(engine, tmp_path):
    result = loaded(engine, folder(tmp_path / "ours", FILES))
    assert result.tables["accounts.csv"] == {"rows": 2, "inserted": 2, "updated": 0, "unchanged": 0}
    assert result.warnings == ()
    assert rows(engine, "select code, rate_to_base from currency order by 1") == [("EUR", Decimal(1)), ("USD", Decimal("0.92"))]
    assert rows(engine, "select account_id, credit_hold from account order by 1") == [("A1", False), ("A2", True)]
    assert rows(engine, "select provider_account_id, sync_enabled from provider_account") == [
        ("0e195b37-4574-4539-bc42-0e539b9684c0", True)
    ]
    assert rows(engine, "select unit from product order by product_id") == [("Monthly",), ("Annual",)]
    assert rows(engine, "select frequency, prorate_unit, status from billing_contract") == [("Monthly", "Days", None)]
    assert rows(engine, "select status, quantity, kind from subscription order by subscription_id") == [
        ("Active", Decimal(10), "License"),
        ("Active", None, "Usage"),
    ]
    assert rows(engine, "select status from customer_invoice") == [("Billed",)]
    assert rows(engine, "select line_number, amount from customer_invoice_line order by 1") == [
        (1, Decimal("225.00")),
        (2, Decimal("-22.50")),
    ]


def test_the_same_folder_twice_touches_nothing(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES)
    loaded(engine, path)
    before = everything(engine)
    result = loaded(engine, path)
    assert all(table["unchanged"] == table["rows"] for table in result.tables.values())
    assert everything(engine) == before


def test_another_order_of_columns_and_another_way_to_write_a_number_are_no_change(engine, tmp_path):
    loaded(engine, folder(tmp_path / "ours", {"subscriptions.csv": "subscription_id,kind,quantity,selling_price\nS1,License,10,22.5\n"}))
    again = folder(tmp_path / "ours", {"subscriptions.csv": "selling_price,Quantity,Kind,Subscription ID\n22.500,010,LICENSE,S1\n"})
    assert loaded(engine, again).tables["subscriptions.csv"]["unchanged"] == 1


def test_one_bad_row_in_one_file_loads_nothing_at_all(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES | {"invoice_lines.csv": "invoice_number,line_number\nI1,one\n"})
    with pytest.raises(InputRefused) as refused:
        loaded(engine, path)
    (problem,) = refused.value.problems
    assert (problem.file, problem.row, problem.column, problem.value) == ("invoice_lines.csv", 2, "line_number", "one")
    assert all(not stored for stored in everything(engine).values())


def test_all_bad_rows_up_to_a_hundred_are_named_across_files(engine, tmp_path):
    dates = "".join(f"C{number},2026-13-01\n" for number in range(60))
    flags = "".join(f"A{number},?\n" for number in range(60))
    path = folder(
        tmp_path / "ours", {"accounts.csv": f"account_id,credit_hold\n{flags}", "billing_contracts.csv": f"contract_id,start_date\n{dates}"}
    )
    with pytest.raises(InputRefused, match="120 bad rows in") as refused:
        loaded(engine, path)
    assert [(problem.file, problem.row) for problem in refused.value.problems] == [
        *(("accounts.csv", row) for row in range(2, 62)),
        *(("billing_contracts.csv", row) for row in range(2, 42)),
    ]


def test_what_a_person_changed_stays_until_the_file_changes_that_row(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES)
    loaded(engine, path)
    do(engine, "update account set name = 'Contoso Ltd', credit_hold = true where account_id = 'A1'")
    assert loaded(engine, path).tables["accounts.csv"]["updated"] == 0
    assert rows(engine, "select name, credit_hold from account where account_id = 'A1'") == [("Contoso Ltd", True)]

    folder(path, {"accounts.csv": FILES["accounts.csv"].replace("contoso.com", "contoso.example")})
    assert loaded(engine, path).tables["accounts.csv"] == {"rows": 2, "inserted": 0, "updated": 1, "unchanged": 1}
    assert rows(engine, "select name, domain, credit_hold from account where account_id = 'A1'") == [("Contoso", "contoso.example", False)]


def test_absent_rows_stay_and_absent_columns_are_not_overwritten(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES)
    loaded(engine, path)
    do(engine, "update subscription set status = 'Suspended'")
    folder(path, {"subscriptions.csv": "subscription_id,kind,quantity\nS1,License,11\n"})
    assert loaded(engine, path).tables["subscriptions.csv"] == {"rows": 1, "inserted": 0, "updated": 1, "unchanged": 0}
    assert rows(engine, "select subscription_id, quantity, selling_price, status from subscription order by 1") == [
        ("S1", Decimal(11), Decimal("22.50"), "Suspended"),
        ("S2", None, None, "Suspended"),
    ]


def test_a_blank_cell_overwrites_with_null(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES)
    loaded(engine, path)
    folder(path, {"billing_contracts.csv": "contract_id,account_id,frequency,start_date\nC1,A1,,\n"})
    loaded(engine, path)
    assert rows(engine, "select frequency, start_date from billing_contract") == [(None, None)]


def test_a_required_column_may_be_left_out_for_rows_we_have_but_not_for_new_ones(engine, tmp_path):
    loaded(engine, folder(tmp_path / "ours", FILES))
    prices = folder(tmp_path / "prices", {"subscriptions.csv": "subscription_id,selling_price\nS1,23\n"})
    assert loaded(engine, prices).tables["subscriptions.csv"]["updated"] == 1
    assert rows(engine, "select kind, selling_price from subscription where subscription_id = 'S1'") == [("License", Decimal(23))]

    folder(prices, {"subscriptions.csv": "subscription_id,selling_price\nS1,24\nS9,1\n"})
    with pytest.raises(InputRefused) as refused:
        loaded(engine, prices)
    assert [(problem.row, problem.column) for problem in refused.value.problems] == [(3, "kind")]
    assert rows(engine, "select selling_price from subscription where subscription_id = 'S1'") == [(Decimal(23),)]


def test_new_rows_without_a_required_column_are_named_in_every_file(engine, tmp_path):
    path = folder(
        tmp_path / "ours",
        FILES | {"currencies.csv": "code\nEUR\n", "subscriptions.csv": "subscription_id,selling_price\nS1,24\nS9,1\n"},
    )
    with pytest.raises(
        InputRefused, match="currencies.csv has .* no column rate_to_base; subscriptions.csv has .* no column kind"
    ) as refused:
        loaded(engine, path)
    assert [(problem.file, problem.row, problem.column) for problem in refused.value.problems] == [
        ("currencies.csv", 2, "rate_to_base"),
        ("subscriptions.csv", 2, "kind"),
        ("subscriptions.csv", 3, "kind"),
    ]
    assert all(not stored for stored in everything(engine).values())


def test_two_base_currencies_are_warned_of_whichever_load_brought_them(engine, tmp_path):
    assert loaded(engine, folder(tmp_path / "one", FILES)).warnings == ()
    for path in (folder(tmp_path / "two", {"currencies.csv": "code,rate_to_base\nchf,1.00\n"}), folder(tmp_path / "one", FILES)):
        (warning,) = loaded(engine, path).warnings
        assert "CHF and EUR have the rate 1, which marks the base currency" in warning
    assert loaded(engine, folder(tmp_path / "mended", {"currencies.csv": "code,rate_to_base\nCHF,1.04\n"})).warnings == ()


def test_an_id_of_several_subscriptions_is_warned_of_whichever_load_brought_it(engine, tmp_path):
    subscriptions = "subscription_id,provider,provider_subscription_id,kind\nQ1,csp,q-1,License\nQ2,CSP, Q-1 ,License\nQ3,csp,,License\nQ4,csp,,License\n"
    (warning,) = loaded(engine, folder(tmp_path / "one", {"subscriptions.csv": subscriptions})).warnings
    assert "1 id of a provider stands for several subscriptions" in warning and "is Q1 and Q2)" in warning
    aliases = "provider,provider_subscription_id,subscription_id\ncsp,q-1,Q1\ncsp,abc,Q3\ncsp,ABC,Q4\n"
    (warning,) = loaded(engine, folder(tmp_path / "two", {"subscription_aliases.csv": aliases})).warnings
    assert "2 ids of providers stand for several subscriptions" in warning


def test_a_subscription_under_the_contract_of_another_account_is_warned_of(engine, tmp_path):
    ours = {
        "accounts.csv": "account_id,name\nA1,Contoso\nA3,Fabrikam\n",
        "billing_contracts.csv": "contract_id,account_id\nC1,A1\nC3,A3\nC0,\n",
        "subscriptions.csv": "subscription_id,account_id,contract_id,kind\nS1,A1,C1,Usage\nS2,A1,C3,Usage\nS3,A1,C0,Usage\n",
    }
    (warning,) = loaded(engine, folder(tmp_path / "one", ours)).warnings
    assert "1 subscription is billed to another account by the contract (the first: S2 of A1 by contract C3 of A3)" in warning


@pytest.mark.parametrize("column", ["markup_pct", "minimum_commitment"])
def test_less_than_nothing_is_no_markup_and_no_commitment(engine, tmp_path, column):
    with pytest.raises(InputRefused) as refused:
        loaded(engine, folder(tmp_path / "one", {"subscriptions.csv": f"subscription_id,kind,{column}\nS1,Usage,0\nS2,Usage,-5\n"}))
    (problem,) = refused.value.problems
    assert (problem.row, problem.column, problem.value, problem.expected) == (3, column, "-5", "a number of at least 0")


def test_references_are_warned_of_unless_the_database_has_them(engine, tmp_path):
    loaded(engine, folder(tmp_path / "ours", FILES))
    more = folder(
        tmp_path / "more", {"subscriptions.csv": "subscription_id,kind,account_id,contract_id\nS7,Usage,A1,C1\nS8,Usage,A404,C1\n"}
    )
    result = loaded(engine, more)
    assert result.warnings == ("subscriptions.csv: 1 row names in account_id no known account (1 distinct; the first: row 3, A404)",)
    assert result.tables["subscriptions.csv"]["inserted"] == 2


def test_text_with_tabs_quotes_backslashes_and_line_breaks_arrives_as_written(engine, tmp_path):
    name = 'a\tb\\N\\.,"\n\\.\nüŁ'
    quoted = name.replace('"', '""')
    loaded(engine, folder(tmp_path / "ours", {"accounts.csv": f'account_id,name\nA1,"{quoted}"\n'}))
    assert rows(engine, "select name from account") == [(name,)]


def test_two_loads_at_once_insert_each_row_once(engine, tmp_path):
    path = folder(tmp_path / "ours", FILES)
    with ThreadPoolExecutor(4) as pool:
        results = [work.result() for work in [pool.submit(loaded, engine, path) for _ in range(4)]]
    for name, content in FILES.items():
        assert sum(result.tables[name]["inserted"] for result in results) == content.count("\n") - 1
        assert all(result.tables[name]["updated"] == 0 for result in results)


def test_a_database_that_goes_away_in_mid_load_is_one_sentence(engine, tmp_path):
    records = read_folder({"accounts.csv": b"account_id\nA1\n"})
    with pytest.raises(StoreUnavailable, match="nothing was loaded"), engine.begin() as connection:
        pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        do(engine, f"select pg_terminate_backend({pid}, 5000)")
        store_records(connection, records)
    assert rows(engine, "select * from account") == []


@pytest.mark.parametrize("path", ["nowhere", "ours/accounts.csv", "empty"])
def test_without_a_folder_of_record_files_the_call_is_refused(engine, tmp_path, path):
    folder(tmp_path / "ours", FILES)
    folder(tmp_path / "empty", {"readme.txt": "nothing"})
    with pytest.raises(CallRefused):
        loaded(engine, tmp_path / path)


def test_a_hundred_thousand_change_logs_load_within_seconds(engine, tmp_path):
    logs = "".join(f"L{number},S{number // 10},{number % 7 - 3},2026-0{number % 9 + 1}-01,Active\n" for number in range(100_000))
    path = folder(
        tmp_path / "ours", {"license_change_logs.csv": f"change_log_id,subscription_id,quantity,effective_date,status_reason\n{logs}"}
    )
    started = time.process_time()
    assert loaded(engine, path).tables["license_change_logs.csv"]["inserted"] == 100_000
    assert loaded(engine, path).tables["license_change_logs.csv"]["unchanged"] == 100_000
    assert time.process_time() - started < 15
