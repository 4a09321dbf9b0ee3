"""Is a refresh token that is good for one use never used twice, and its successor never lost without a word?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import streamones
from tests.conftest import ROOT
from tests.streamones import NAME, REFRESH, Account, Served
from w365core.errors import ConfigurationMissing, ProviderRefused, ProviderUnavailable, StoreUnavailable
from w365core.jobs import configuring, syncing, tokens
from w365core.jobs.context import Context
from w365core.providers.streamone_tokens import Exchanged, exchange
from w365core.sandbox.streamone import ISSUED
from w365core.store.tables import stored_token

OTHER = "another-token-a-person-made"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    account = Account(tmp_path / "estate")
    account.says("customers", [{"id": "501", "customerOrganization": "Contoso"}, {"id": "502", "customerOrganization": "Fabrikam"}])
    with streamones.serve(account) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return streamones.configure(context, served.url, tmp_path / "records")


def customers(context: Context, served: Served) -> int:
    """Asked with a connector of its own, so with an access token of its own."""
    return len(list(syncing.connect(context, streamones.provider(served.url), sync_run_id=None).customers()))


def with_environment(context: Context, **environment: str) -> Context:
    return replace(context, settings=replace(context.settings, environment={**streamones.ENVIRONMENT, **environment}))


def any_first_token(served: Served) -> None:
    path = served.account.folder / "estate.json"
    path.write_text(json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "streamone_refresh"}))


def kept(context: Context):
    with context.engine.connect() as connection:
        return connection.execute(select(stored_token)).one()


def test_each_exchange_uses_the_token_that_the_one_before_brought(configured: Context, served: Served) -> None:
    sealed = set()
    for _ in range(3):
        assert customers(configured, served) == 2
        row = kept(configured)
        assert row.exchanging_since is None and (row.expires_at - row.issued_at).days == 32
        assert ISSUED.encode() not in row.encrypted and REFRESH.encode() not in row.encrypted
        sealed.add(row.encrypted)
    assert len(sealed) == 3
    assert customers(with_environment(configured, W365_REFRESH_ION_EU=""), served) == 2  # the first one is not needed any more


def test_one_access_token_serves_all_calls_of_a_connector(configured: Context, served: Served) -> None:
    connector = syncing.connect(configured, streamones.provider(served.url), sync_run_id=None)
    list(connector.customers())
    before = kept(configured).encrypted
    list(connector.customers())
    assert kept(configured).encrypted == before


def test_processes_at_once_take_turns(configured: Context, served: Served, database_url: str) -> None:
    environment = {"PATH": "", "DATABASE_URL": database_url, "W365_HOME": str(configured.settings.home), **streamones.ENVIRONMENT}
    command = [sys.executable, "-m", "tests.jobs.exchanging", served.url]
    started = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [process.communicate(timeout=180) for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert customers(configured, served) == 2  # the line of tokens is alive
    assert (configured.settings.home / "token.key").stat().st_mode & 0o777 == 0o600  # made by one of them, used by all


def test_a_process_that_dies_between_answer_and_commit_leaves_the_reason(configured: Context, served: Served) -> None:
    connector = syncing.connect(configured, streamones.provider(served.url), sync_run_id=None)
    rotate = tokens.rotation(configured, streamones.provider(served.url))

    def exchanged_and_died(refresh) -> Exchanged:
        exchange(connector.calls, root=served.url, refresh=refresh)
        raise KeyboardInterrupt  # the process ends before it has stored what came

    with pytest.raises(KeyboardInterrupt):
        rotate(exchanged_and_died)
    for _ in range(2):  # it stays said
        with pytest.raises(ProviderRefused, match="asked for the next token and ended before it could store it.*W365_REFRESH_ION_EU"):
            customers(configured, served)
    any_first_token(served)
    assert customers(with_environment(configured, W365_REFRESH_ION_EU=OTHER), served) == 2
    assert customers(configured, served) == 2  # and the first one is not tried again


def test_a_new_token_that_cannot_be_stored_is_said_plainly(configured: Context, served: Served) -> None:
    with configured.engine.begin() as connection:
        connection.execute(
            text(
                "create function full_disk() returns trigger language plpgsql as $$ begin "
                "if new.exchanging_since is null then raise exception 'no space left'; end if; return new; end $$"
            )
        )
        connection.execute(text("create trigger t before insert or update on stored_token for each row execute function full_disk()"))
    with pytest.raises(StoreUnavailable, match="used up. Make a new refresh token in StreamOne.*W365_REFRESH_ION_EU") as refusal:
        customers(configured, served)
    assert refusal.value.exit_code == 3


def test_a_refused_token_gives_way_to_one_that_a_person_has_given_since(configured: Context, served: Served) -> None:
    customers(configured, served)
    served.faults.replace(["refused-secret@token"])
    with pytest.raises(ProviderRefused, match="used elsewhere, was revoked, or is older than 32 days"):
        customers(configured, served)
    any_first_token(served)
    served.faults.replace(["refused-secret@tokenx1"])
    assert customers(with_environment(configured, W365_REFRESH_ION_EU=OTHER), served) == 2
    assert served.faults.left() == []


def test_a_provider_that_is_away_costs_no_token(configured: Context, served: Served) -> None:
    customers(configured, served)
    served.faults.replace(["500@token"])
    with pytest.raises(ProviderUnavailable):
        customers(replace(configured, settings=replace(configured.settings, http_tries=1)), served)
    served.faults.replace([])
    assert customers(configured, served) == 2


def test_without_any_token_it_says_what_to_set_and_invoices_still_come(configured: Context, served: Served) -> None:
    served.account.invoice("1", {"detail.csv": streamones.PLAIN})
    none = with_environment(configured, W365_REFRESH_ION_EU="")
    with pytest.raises(ConfigurationMissing, match="has no refresh token yet.*W365_REFRESH_ION_EU") as refusal:
        customers(none, served)
    assert refusal.value.exit_code == 4
    assert [one.status for one in syncing.sync_daily(none, provider_name=NAME).outcomes] == ["Active/Active"]
    (row,) = configuring.list_providers(none)
    assert "no refresh token: set W365_REFRESH_ION_EU" in row["health"]


def test_another_account_begins_with_the_token_that_is_given(configured: Context, served: Served) -> None:
    any_first_token(served)
    customers(configured, served)
    configuring.add_provider(configured, NAME, {"account_id": "70013"})
    with configured.engine.connect() as connection:
        assert connection.execute(select(stored_token)).first() is None


def test_another_key_opens_nothing_and_the_right_one_again_everything(configured: Context, served: Served) -> None:
    first, second = ({"W365_KEY": key} for key in ("correct horse", "battery staple"))
    customers(with_environment(configured, **first), served)
    with pytest.raises(ConfigurationMissing, match="cannot be opened with this key"):
        customers(with_environment(configured, **second), served)
    assert customers(with_environment(configured, **first), served) == 2
    assert not (configured.settings.home / "token.key").exists()


def test_a_key_file_that_others_may_read_is_refused(configured: Context, served: Served) -> None:
    customers(configured, served)
    (configured.settings.home / "token.key").chmod(0o644)
    with pytest.raises(ConfigurationMissing, match="chmod 600"):
        customers(configured, served)
