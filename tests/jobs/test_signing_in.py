"""Does a person's sign-in last, unseen, and does what needs it say so where nobody has signed in?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import estates
from tests.conftest import Command
from tests.estates import Estate, Served, seat
from w365core.errors import CallRefused, ConfigurationMissing
from w365core.jobs import configuring, documents, signing_in, syncing
from w365core.jobs.context import Context
from w365core.sandbox.identity import WHO
from w365core.store import providers as store_providers
from w365core.store.tables import stored_token

NAME = estates.PROVIDER
REFRESHED = re.compile(r"refresh\.[0-9]{10}\.[0-9a-f]{64}|person\.[0-9]{10}\.[0-9a-f]{64}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    estate = Estate(tmp_path / "estate", client_secret=estates.SECRET)
    estate.invoice("G1", [seat("100.00")], total="100.00")
    with estates.serve(estate) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=served.estate.records(tmp_path / "records"))


def kept(context: Context):
    with context.engine.connect() as connection:
        return connection.execute(select(stored_token)).one_or_none()


def listed(context: Context) -> dict:
    return next(row for row in configuring.list_providers(context) if row["name"] == NAME)


def fetch(context: Context, to: Path) -> documents.Fetched:
    return documents.fetch_pdf(context, provider_name=None, invoice_number="g1", to=to)


def test_without_a_sign_in_the_sync_works_and_a_pdf_says_what_to_run(configured: Context, tmp_path: Path) -> None:
    assert [one.status for one in syncing.sync_daily(configured, provider_name=NAME).outcomes] == ["Active/Active"]
    assert "pdf" not in listed(configured)["capabilities"]
    with pytest.raises(CallRefused, match=f"run provider sign-in {NAME}"):
        fetch(configured, tmp_path / "g1.pdf")


def test_a_sign_in_is_kept_encrypted_and_fetches_pdfs(configured: Context, served: Served, tmp_path: Path) -> None:
    syncing.sync_daily(configured, provider_name=NAME)
    told: list[str] = []
    done = signing_in.sign_in(replace(configured, report=told.append), NAME.upper())
    assert (done.provider, done.signed_in_as, done.expires_at) == (NAME, WHO, configured.now + timedelta(days=90))
    assert "SANDBOX-7" in told[0] and f"{served.url}/devicelogin" in told[0]
    row = kept(configured)
    assert (row.purpose, row.given) == ("user", WHO) and not REFRESHED.search(row.encrypted.decode("latin-1"))
    assert "pdf" in listed(configured)["capabilities"] and f"signed in as {WHO}" in listed(configured)["health"]
    fetch(configured, tmp_path / "g1.pdf")
    assert (tmp_path / "g1.pdf").read_bytes().startswith(b"%PDF-") and [p.name for p in tmp_path.glob(".g1*")] == []
    assert kept(configured).encrypted != row.encrypted  # stored anew at each exchange
    landed = b"".join(path.read_bytes() for path in configured.settings.landing.rglob("*") if path.is_file())
    assert b"documents/statement" not in landed and not REFRESHED.search(landed.decode("latin-1"))
    with pytest.raises(CallRefused, match="folder that is there"):
        fetch(configured, tmp_path / "nowhere" / "g1.pdf")


def test_the_daily_sync_uses_it_once_a_day_and_survives_its_end(configured: Context, served: Served) -> None:
    signing_in.sign_in(configured, NAME)
    first = kept(configured)
    assert syncing.sync_daily(configured, provider_name=NAME).warnings == []
    assert kept(configured) == first  # used today already
    later = configured.at(configured.now + timedelta(days=80))
    assert (
        "last used 80 days ago" in listed(later)["health"]
        and "last used" not in listed(configured.at(later.now - timedelta(days=6)))["health"]
    )
    syncing.sync_daily(later, provider_name=NAME)
    assert kept(configured).issued_at == later.now and "last used" not in listed(later)["health"]
    assert "ran out" in listed(configured.at(later.now + timedelta(days=90)))["health"]
    with configured.engine.begin() as connection:
        connection.execute(text("update stored_token set issued_at = issued_at - interval '2 days'"))
    served.faults.replace(["refused-secret@token"])
    served.estate.invoice("G2", [seat("1.00")], total="1.00")
    said = signing_in.exercise(later, store_of(later), keep=lambda answer: None)
    assert "could not be renewed" in said and f"provider sign-in {NAME}" in said


def store_of(context: Context):
    with context.engine.connect() as connection:
        return store_providers.named(connection, NAME)


def test_another_app_tenant_or_address_never_sees_it(configured: Context) -> None:
    signing_in.sign_in(configured, NAME)
    configuring.add_provider(configured, NAME, {"client_id": "another-app"})
    assert kept(configured) is None


def test_another_key_says_what_to_do(configured: Context, tmp_path: Path) -> None:
    signing_in.sign_in(configured, NAME)
    syncing.sync_daily(configured, provider_name=NAME)
    environment = {**configured.settings.environment, "W365_KEY": "another"}
    with pytest.raises(ConfigurationMissing, match=f"cannot be opened.*provider sign-in {NAME}"):
        fetch(replace(configured, settings=replace(configured.settings, environment=environment)), tmp_path / "x.pdf")


def test_on_the_command_line(configured: Context, served: Served, w365: Command, tmp_path: Path) -> None:
    secret = {"W365_SECRET_CSP": estates.SECRET}
    refused = w365("pdf", "--invoice", "G1", "--provider", NAME, "--out", tmp_path / "a.pdf", **secret)
    assert refused.returncode == 2 and f"run provider sign-in {NAME}" in refused.stderr
    done = w365("provider", "sign-in", NAME, "--json", **secret)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) | {"mfa": None} == {
        "provider": NAME,
        "signed_in_as": WHO,
        "expires_at": "2027-02-10T06:00:00+00:00",
        "mfa": None,
    }
    assert "SANDBOX-7" in done.stderr and not REFRESHED.search(done.stdout + done.stderr)
    assert w365("pdf", "--invoice", "G1", "--provider", NAME, "--out", tmp_path / "a.pdf", **secret).returncode == 0
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    assert w365("rebuild", "--check").returncode == 0  # a sign-in is no event of the ledger
    files = w365("provider", "sign-in", "nobody", **secret)
    assert files.returncode == 2 and "There is no provider nobody" in files.stderr
