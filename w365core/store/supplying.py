"""How is what our records lack put into them by a person? One fix at a time in the caller's transaction, each with its row in the audit log.

A row that is made here has no fingerprint of a load, so that a later `load` of the same key still works. Done twice is done once. What makes no
sense is refused: InputRefused with the one problem, its column and value.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, text

from w365core import money
from w365core.model import Fix, FixAction
from w365core.store import mapping, rates, supplied_names as naming, supplied_products, supplied_subscriptions
from w365core.store.ledger import Who
from w365core.store.tables import currency, provider_account

_RECORDS_LOCK = 3650002  # that of a load: a fix and a load of the same key take turns
_ORDER = (FixAction.ADD_CURRENCY, FixAction.MAP_ACCOUNT, FixAction.ADD_SUBSCRIPTION, FixAction.ALIAS, FixAction.CHOOSE_PRODUCT)


def one_by_one(connection: Connection) -> None:
    """Until the end of the transaction nobody else changes our records."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _RECORDS_LOCK})


def in_order(fix: Fix) -> int:
    """Where a fix stands among others: what others may refer to comes first."""
    return _ORDER.index(fix.action)


def carry_out(connection: Connection, fix: Fix, *, who: Who, reason: str | None = None, again: bool = False) -> str:
    """Does it and says what was done. `again` lets a mapping replace another one. InputRefused where it makes no sense."""
    if not fix.key.strip() or len(fix.key) > naming.LONGEST or not fix.key.isprintable():
        raise naming.refused("key", fix.key, f"what the lines print, at most {naming.LONGEST} visible characters")
    if fix.action is FixAction.MAP_ACCOUNT:
        return _map_account(connection, fix, who, reason, again=again)
    if fix.action is FixAction.ADD_SUBSCRIPTION:
        return supplied_subscriptions.add(connection, fix, who, reason)
    if fix.action is FixAction.ALIAS:
        return supplied_subscriptions.alias(connection, fix, who, reason)
    if fix.action is FixAction.ADD_CURRENCY:
        return _add_currency(connection, fix, who, reason)
    return supplied_products.choose(connection, fix, who, reason)


def _map_account(connection: Connection, fix: Fix, who: Who, reason: str | None, *, again: bool) -> str:
    owner = naming.whose(connection, fix)
    known = naming.account_id(connection, fix.account_id)
    stands = connection.execute(
        select(provider_account.c.account_id).where(
            naming.same(provider_account.c.provider, owner.name), naming.same(provider_account.c.provider_account_id, fix.key)
        )
    ).scalar()
    if stands == known:
        return f"{fix.key} of {owner.name} is account {known} already."
    if stands is not None and not again:
        raise naming.refused("key", fix.key, f"a customer without an account; it is account {stands} already (`map-account` maps it anew)")
    mapping.map_account(
        connection, provider=owner.name, provider_account_id=fix.key, account_id=known, name=fix.name, who=who, reason=reason
    )
    return f"{fix.key} of {owner.name} is account {known} now."


def _add_currency(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    code, rate = fix.key.strip().upper(), fix.rate_to_base
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise naming.refused("key", fix.key, "a currency code of three letters, such as EUR")
    if rate is None or not money.is_plausible(rate) or rate <= 0:
        raise naming.refused("rate_to_base", None if rate is None else str(rate), "a rate above zero: amount x rate = base")
    stands = connection.execute(select(currency.c.rate_to_base).where(func.upper(currency.c.code) == code)).scalar()
    if stands is not None and stands == rate:
        return f"{code} is known with that rate already."
    if stands is not None:
        raise naming.refused(
            "key",
            code,
            f"a currency that our records lack; {code} has the rate {money.plain(stands)}, which a load of currencies.csv changes",
        )
    connection.execute(insert(currency).values(code=code, rate_to_base=rate))
    rates.confirm(connection, [(code, rate)], who=who)
    naming.told(connection, who, "add currency", "currency", code, reason, {"rate_to_base": rate})
    return f"{code} is known now, 1 {code} = {money.plain(rate)} in base currency."
