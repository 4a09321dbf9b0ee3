"""How is what our records lack put into them by a person? One fix at a time in the caller's transaction, each with its row in the audit log.

A row that is made here has no fingerprint of a load, so that a later `load` of the same key still works. Done twice is done once. What makes no
sense is refused: InputRefused with the one problem, its column and value.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, insert, select, text, update

from w365core import money
from w365core.errors import InputRefused
from w365core.model import OLD_IDS, Fix, FixAction, Problem, Provider, ProviderType
from w365core.store import audit, mapping, providers as store_providers, stage
from w365core.store.ledger import Who
from w365core.store.tables import (
    account,
    currency,
    missing_reference,
    product,
    provider,
    provider_account,
    provider_invoice,
    provider_subscription,
    subscription,
    subscription_alias,
)

_RECORDS_LOCK = 3650002  # that of a load: a fix and a load of the same key take turns
_LONGEST = 400
_ORDER = (FixAction.ADD_CURRENCY, FixAction.MAP_ACCOUNT, FixAction.ADD_SUBSCRIPTION, FixAction.ALIAS, FixAction.CHOOSE_PRODUCT)


def one_by_one(connection: Connection) -> None:
    """Until the end of the transaction nobody else changes our records."""
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _RECORDS_LOCK})


def in_order(fix: Fix) -> int:
    """Where a fix stands among others: what others may refer to comes first."""
    return _ORDER.index(fix.action)


def carry_out(connection: Connection, fix: Fix, *, who: Who, reason: str | None = None, again: bool = False) -> str:
    """Does it and says what was done. `again` lets a mapping replace another one. InputRefused where it makes no sense."""
    if not fix.key.strip() or len(fix.key) > _LONGEST or not fix.key.isprintable():
        raise refused("key", fix.key, f"what the lines print, at most {_LONGEST} visible characters")
    if fix.action is FixAction.MAP_ACCOUNT:
        return _map_account(connection, fix, who, reason, again=again)
    if fix.action is FixAction.ADD_SUBSCRIPTION:
        return _add_subscription(connection, fix, who, reason)
    if fix.action is FixAction.ALIAS:
        return _alias(connection, fix, who, reason)
    if fix.action is FixAction.ADD_CURRENCY:
        return _add_currency(connection, fix, who, reason)
    return _choose_product(connection, fix, who, reason)


def refused(column: str, value: object, expected: str) -> InputRefused:
    """The refusal of one cell, in one sentence."""
    said = None if value is None else str(value)
    found = f"{column} is {said!r}" if said else f"{column} is blank"
    return InputRefused(f"{found}: expected {expected}. Nothing was changed.", [Problem("", None, column, said, expected)])


# --- a customer --------------------------------------------------------------------------------------------------------------------------


def _map_account(connection: Connection, fix: Fix, who: Who, reason: str | None, *, again: bool) -> str:
    owner = _provider(connection, fix)
    known = _account(connection, fix.account_id)
    stands = connection.execute(
        select(provider_account.c.account_id).where(
            _same(provider_account.c.provider, owner.name), _same(provider_account.c.provider_account_id, fix.key)
        )
    ).scalar()
    if stands == known:
        return f"{fix.key} of {owner.name} is account {known} already."
    if stands is not None and not again:
        raise refused("key", fix.key, f"a customer without an account; it is account {stands} already (`map-account` maps it anew)")
    mapping.map_account(
        connection, provider=owner.name, provider_account_id=fix.key, account_id=known, name=fix.name, who=who, reason=reason
    )
    return f"{fix.key} of {owner.name} is account {known} now."


# --- a subscription ----------------------------------------------------------------------------------------------------------------------


def _add_subscription(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    owner = _provider(connection, fix)
    ours = (fix.subscription_id or fix.key).strip()
    row = {
        "subscription_id": ours,
        "provider_subscription_id": fix.key.strip(),
        "account_id": _account(connection, fix.account_id) if fix.account_id else None,
        "product_id": _product(connection, fix.product_id) if fix.product_id else None,
        "kind": _kind(fix),
        "name": fix.name,
        "quantity": _quantity(fix),
        "start_date": fix.start_date,
        "status": _one_of("status", fix.status or "Active", ("Active", "Suspended")),
    }
    under, is_new = _under(connection, fix, owner)
    row["provider"] = under
    stands = connection.execute(select(subscription).where(_same(subscription.c.subscription_id, ours))).first()
    if (
        stands is not None
        and _lower(stands.provider) == under.lower()
        and _lower(stands.provider_subscription_id) == fix.key.strip().lower()
    ):
        return f"{fix.key} is our subscription {stands.subscription_id} of {stands.provider} already."
    _refuse_known(connection, owner, fix)
    if stands is not None:
        raise refused("subscription_id", ours, f"an id that no subscription of ours has; {ours} is one of {stands.provider}")
    if len(ours) > _LONGEST or not ours.isprintable():
        raise refused("subscription_id", ours, f"an id of at most {_LONGEST} visible characters")
    if is_new:
        store_providers.save(connection, Provider(under, ProviderType.MANUAL), now=who.now)
        _told(connection, who, "add provider", "provider", under, reason, {"type": "manual"})
    connection.execute(insert(subscription).values(**row))
    _told(connection, who, "add subscription", "subscription", ours, reason, row)
    return f"{fix.key} is our subscription {ours} now, under {under}{', a manual provider made for it' if is_new else ''}."


def _under(connection: Connection, fix: Fix, owner: Provider) -> tuple[str, bool]:
    """Where the subscription stands: under its own provider, or an old id under a manual one; and whether that is to be made first."""
    name = (fix.under or "").strip() or OLD_IDS
    found = store_providers.find(connection, name)
    if found is None:
        if name != OLD_IDS:
            raise refused("under", name, f"a provider; `provider add {name} --type manual` adds it")
        return name, True
    if found.name == owner.name and found.type is not ProviderType.MANUAL and _is_old(connection, owner, fix.key):
        raise refused("under", name, f"a manual provider: {owner.name} does not list {fix.key}, so it is an old id")
    if found.name != owner.name and found.type is not ProviderType.MANUAL:
        raise refused("under", name, f"{owner.name} itself or a provider of type manual; {found.name} is {found.type.label}")
    return found.name, False


def _is_old(connection: Connection, owner: Provider, key: str) -> bool:
    """Whether the provider has told its subscriptions and this is none of them."""
    told = select(provider_subscription.c.provider_subscription_id).where(_same(provider_subscription.c.provider, owner.name))
    if connection.execute(told.limit(1)).first() is None:
        return False
    return connection.execute(told.where(provider_subscription.c.provider_subscription_id == key.strip().lower())).first() is None


def _alias(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    owner = _provider(connection, fix)
    ours = _subscription(connection, fix.subscription_id)
    stands = connection.execute(
        select(subscription_alias.c.subscription_id).where(
            _same(subscription_alias.c.provider, owner.name), _same(subscription_alias.c.provider_subscription_id, fix.key)
        )
    ).scalar()
    if stands == ours.subscription_id:
        return f"{fix.key} of {owner.name} is another id of {stands} already."
    _refuse_known(connection, owner, fix)
    row = {"provider": owner.name, "provider_subscription_id": fix.key.strip(), "subscription_id": ours.subscription_id}
    connection.execute(insert(subscription_alias).values(**row))
    _told(connection, who, "alias subscription", "subscription alias", f"{owner.name} {fix.key.strip()}", reason, row)
    return f"{fix.key} of {owner.name} is another id of our subscription {ours.subscription_id} now."


def _refuse_known(connection: Connection, owner: Provider, fix: Fix) -> None:
    """An id means one subscription: a second meaning would move its lines without a word."""
    alias = select(subscription_alias.c.subscription_id).where(
        _same(subscription_alias.c.provider, owner.name), _same(subscription_alias.c.provider_subscription_id, fix.key)
    )
    own = (
        select(subscription.c.subscription_id)
        .outerjoin(provider, func.lower(provider.c.name) == func.lower(subscription.c.provider))
        .where(
            _same(subscription.c.provider_subscription_id, fix.key),
            _same(subscription.c.provider, owner.name) | (provider.c.type == ProviderType.MANUAL),
        )
    )
    known = connection.execute(own.union_all(alias)).scalars().first()
    if known is not None:
        raise refused("key", fix.key, f"an id that our records lack; it is our subscription {known} already")


# --- a currency --------------------------------------------------------------------------------------------------------------------------


def _add_currency(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    code, rate = fix.key.strip().upper(), fix.rate_to_base
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise refused("key", fix.key, "a currency code of three letters, such as EUR")
    if rate is None or not money.is_plausible(rate) or rate <= 0:
        raise refused("rate_to_base", None if rate is None else str(rate), "a rate above zero: amount x rate = base")
    stands = connection.execute(select(currency.c.rate_to_base).where(func.upper(currency.c.code) == code)).scalar()
    if stands is not None and stands == rate:
        return f"{code} is known with that rate already."
    if stands is not None:
        raise refused(
            "key",
            code,
            f"a currency that our records lack; {code} has the rate {money.plain(stands)}, which a load of currencies.csv changes",
        )
    connection.execute(insert(currency).values(code=code, rate_to_base=rate))
    _told(connection, who, "add currency", "currency", code, reason, {"rate_to_base": rate})
    return f"{code} is known now, 1 {code} = {money.plain(rate)} in base currency."


# --- a product ---------------------------------------------------------------------------------------------------------------------------


def _choose_product(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    """Of one subscription, or of every one whose lines print the key; a product with the printed id is made where there is none."""
    wanted = (fix.product_id or "").strip()
    if not wanted:
        raise refused("product_id", None, "the id of a product, or the printed one for a new product")
    known = connection.execute(select(product.c.product_id).where(_same(product.c.product_id, wanted))).scalar()
    made = ""
    if known is None:
        if wanted.lower() != fix.key.strip().lower() and not (fix.subscription_id and fix.name):
            raise refused("product_id", wanted, "a product of ours, or the printed id for a new product")
        known = wanted
        row = {"product_id": wanted, "name": fix.name or wanted, "billing_type": fix.billing_type, "unit": "Monthly"}
        connection.execute(insert(product).values(**row))
        _told(connection, who, "add product", "product", wanted, reason, row)
        made = f"{wanted} is a product of ours now{f' ({fix.name})' if fix.name else ''}."
    if not fix.subscription_id and known.lower() == fix.key.strip().lower():
        return made or f"{known} is a product of ours already."
    chosen = _given_product(connection, fix, known, who, reason)
    return " ".join(filter(None, [made, chosen]))


def _given_product(connection: Connection, fix: Fix, product_id: str, who: Who, reason: str | None) -> str:
    if fix.subscription_id:
        owned = [_subscription(connection, fix.subscription_id)]
    else:
        owned = _printing(connection, fix)
        if not owned:
            raise refused("key", fix.key, "a product that lines of a subscription of ours print")
    changed = [one for one in owned if one.product_id != product_id]
    for one in changed:
        if one.product_id is not None and _is_product(connection, one.product_id):
            raise refused(
                "subscription_id", one.subscription_id, f"a subscription without a product; it has {one.product_id}, which a load changes"
            )
        connection.execute(update(subscription).where(subscription.c.subscription_id == one.subscription_id).values(product_id=product_id))
        before, after = {"product_id": one.product_id}, {"product_id": product_id}
        _told(connection, who, "choose product", "subscription", one.subscription_id, reason, after, before)
    named = ", ".join(one.subscription_id for one in changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    return f"{named or owned[0].subscription_id} {'have' if len(changed) > 1 else 'has'} the product {product_id}{' now' if changed else ' already'}."


def _printing(connection: Connection, fix: Fix) -> list[Any]:
    """The subscriptions of ours without a known product whose lines print the key, on invoices where it was missing."""
    query = (
        select(provider_invoice.c.provider_invoice_id, provider_invoice.c.import_run_id)
        .join(missing_reference, missing_reference.c.provider_invoice_id == provider_invoice.c.provider_invoice_id)
        .where(missing_reference.c.kind == "product", _same(missing_reference.c.key, fix.key))
    )
    if fix.provider:
        query = query.where(_same(provider_invoice.c.provider, fix.provider))
    ids: set[str] = set()
    for invoice_id, run_id in connection.execute(query).all():
        for which in (stage.LICENSE, stage.USAGE):
            staged = run_id is not None and stage.exists(connection, run_id=run_id)
            table = stage.table_of(which, run_id) if staged else which
            statement = text(
                f"select distinct subscription_id from {table} where provider_invoice_id = :id and subscription_id is not null "
                "and (lower(product_id) = lower(:key) or (nullif(product_id, '') is null and lower(subscription_id) = lower(:key)))"
            )
            ids |= set(connection.execute(statement, {"id": invoice_id, "key": fix.key.strip()}).scalars())
    rows = connection.execute(select(subscription).where(subscription.c.subscription_id.in_(ids)).order_by(subscription.c.subscription_id))
    return [row for row in rows if row.product_id is None or not _is_product(connection, row.product_id)]


# --- what is referred to -----------------------------------------------------------------------------------------------------------------


def _provider(connection: Connection, fix: Fix) -> Provider:
    found = store_providers.find(connection, fix.provider) if fix.provider else None
    if found is None:
        raise refused("provider", fix.provider, "a provider; `provider list` shows them")
    return found


def _account(connection: Connection, account_id: str | None) -> str:
    return _found(connection, account, "account_id", account_id, "an account of ours; load it with accounts.csv first")


def _product(connection: Connection, product_id: str) -> str:
    return _found(connection, product, "product_id", product_id, "a product of ours; load it with products.csv first")


def _is_product(connection: Connection, printed: str) -> bool:
    known = _same(product.c.product_id, printed) | _same(product.c.provider_part_number, printed)
    return connection.execute(select(product.c.product_id).where(known).limit(1)).first() is not None


def _subscription(connection: Connection, subscription_id: str | None) -> Any:
    known = _found(
        connection, subscription, "subscription_id", subscription_id, "a subscription of ours; load it with subscriptions.csv first"
    )
    return connection.execute(select(subscription).where(subscription.c.subscription_id == known).with_for_update()).one()


def _found(connection: Connection, table: Table, column: str, value: str | None, expected: str) -> str:
    """The id as it is written in our records."""
    known = connection.execute(select(table.c[column]).where(_same(table.c[column], value or ""))).scalars().first() if value else None
    if known is None:
        raise refused(column, value, expected)
    return known


def _kind(fix: Fix) -> str:
    return _one_of("kind", fix.kind, ("License", "Usage"))


def _quantity(fix: Fix) -> Decimal | None:
    """Usage is one; seats may be unknown."""
    if fix.kind == "Usage":
        return Decimal(1)
    if fix.quantity is not None and (not money.is_plausible(fix.quantity) or fix.quantity < 0):
        raise refused("quantity", fix.quantity, "a number of seats, 0 or more")
    return fix.quantity


def _one_of(column: str, value: str | None, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise refused(column, value, f"one of {', '.join(choices)}")
    return value


def _same(column: ColumnElement, value: str) -> ColumnElement[bool]:
    return func.lower(func.btrim(column)) == value.strip().lower()


def _lower(value: str | None) -> str | None:
    return None if value is None else value.strip().lower()


def _told(
    connection: Connection,
    who: Who,
    action: str,
    target_kind: str,
    target: str,
    reason: str | None,
    after: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> None:
    told = {name: money.plain(value) if isinstance(value, Decimal) else value for name, value in after.items() if value is not None}
    audit.append(
        connection,
        at=who.now,
        actor=who.actor,
        action=action,
        target_kind=target_kind,
        target=target,
        reason=reason,
        before=before,
        after=told,
    )
