"""Do stored tokens come under another key whole, or not at all, whatever happens in between?"""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from w365core.errors import ConfigurationMissing
from w365core.jobs import rekeying
from w365core.jobs.context import Context
from w365core.model import Secret
from w365core.providers.vault import Vault, WrongKey
from w365core.settings import KEY_FILE
from w365core.store import tokens
from w365core.store.tokens import StoredToken


@pytest.fixture
def kept(context: Context) -> Context:
    """Two tokens under the key of the file."""
    vault = Vault(context.settings.token_key())
    with context.engine.begin() as connection:
        for provider, token in (("one", "first"), ("two", "second")):
            tokens.keep(connection, provider, StoredToken(vault.seal(Secret(token)), None, NOW, None, None))
    return context


def opened(context: Context, key: Secret) -> list[str]:
    with context.engine.connect() as connection:
        return [Vault(key).open(encrypted).reveal() for _, _, encrypted in tokens.every(connection)]


def with_environment(context: Context, **told: str) -> Context:
    return replace(context, settings=replace(context.settings, environment=told))


def test_a_new_key_file_opens_what_the_old_one_opened(kept: Context) -> None:
    before = kept.settings.token_key()
    done = rekeying.rotate(kept)
    after = kept.settings.token_key()
    assert (done.tokens, opened(kept, after)) == (2, ["first", "second"])
    assert before.reveal() != after.reveal()
    with pytest.raises(WrongKey):
        opened(kept, before)
    assert (kept.settings.home / KEY_FILE).stat().st_mode & 0o077 == 0


def test_the_key_of_the_environment_goes_over_to_another_of_the_environment(kept: Context) -> None:
    rekeying.rotate(with_environment(kept, W365_NEW_KEY="once"))
    rekeying.rotate(with_environment(kept, W365_KEY="once", W365_NEW_KEY="twice"))
    assert opened(kept, Secret("twice")) == ["first", "second"]
    with pytest.raises(ConfigurationMissing, match="W365_NEW_KEY"):
        rekeying.rotate(with_environment(kept, W365_KEY="twice"))


def test_one_token_that_cannot_be_opened_leaves_all_as_they_were(kept: Context) -> None:
    key = kept.settings.token_key()
    with kept.engine.begin() as connection:
        tokens.keep(connection, "two", StoredToken(Vault(Secret("another")).seal(Secret("x")), None, NOW, None, None))
    with pytest.raises(ConfigurationMissing, match="of two"):
        rekeying.rotate(kept)
    with kept.engine.connect() as connection:
        assert Vault(key).open(tokens.every(connection)[0][2]).reveal() == "first"
    assert kept.settings.token_key().reveal() == key.reveal()


def test_a_crash_between_the_database_and_the_file_is_mended_by_the_next_run(kept: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(rekeying, "_put_in_place", crash)
        with pytest.raises(Crash):
            rekeying.rotate(kept)
    with pytest.raises(WrongKey):
        opened(kept, kept.settings.token_key())
    assert rekeying.rotate(kept).tokens == 2
    assert opened(kept, kept.settings.token_key()) == ["first", "second"]


def test_the_log_says_so_and_holds_no_key(kept: Context) -> None:
    rekeying.rotate(kept)
    with kept.engine.connect() as connection:
        row = connection.execute(text("select action, after::text from audit_log")).one()
    assert row.action == "rotate key" and kept.settings.token_key().reveal() not in row[1]


def test_the_command_rotates_where_nothing_is_stored_yet(w365) -> None:
    ran = w365("rotate-key")
    assert ran.returncode == 0 and "0 stored tokens are sealed with a new key" in ran.stdout
