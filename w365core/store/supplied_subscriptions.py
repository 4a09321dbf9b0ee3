"""How does an id become one of our subscriptions, or another id of one? A new row, or an alias; an id that is known is refused."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Connection, func, insert, select

from w365core import money
from w365core.model import OLD_IDS, Fix, Provider, ProviderType
from w365core.store import preferences, providers as store_providers, supplied_names as naming
from w365core.store.ledger import Who
from w365core.store.tables import provider, provider_subscription, subscription, subscription_alias


def add(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    owner = naming.whose(connection, fix)
    ours = (fix.subscription_id or fix.key).strip()
    row = {
        "subscription_id": ours,
        "provider_subscription_id": fix.key.strip(),
        "account_id": naming.account_id(connection, fix.account_id) if fix.account_id else None,
        "product_id": naming.product_id(connection, fix.product_id) if fix.product_id else None,
        "kind": _kind(fix),
        "name": fix.name,
        "quantity": _quantity(fix),
        "start_date": fix.start_date,
        "status": naming.one_of("status", fix.status or "Active", ("Active", "Suspended")),
    }
    if row["kind"] == "Usage":
        row["markup_pct"] = _usual_markup(connection)
    under, is_new = _under(connection, fix, owner)
    row["provider"] = under
    stands = connection.execute(select(subscription).where(naming.same(subscription.c.subscription_id, ours))).first()
    if (
        stands is not None
        and naming.folded(stands.provider) == under.lower()
        and naming.folded(stands.provider_subscription_id) == fix.key.strip().lower()
    ):
        return f"{fix.key} is our subscription {stands.subscription_id} of {stands.provider} already."
    _refuse_known(connection, owner, fix)
    if stands is not None:
        raise naming.refused("subscription_id", ours, f"an id that no subscription of ours has; {ours} is one of {stands.provider}")
    if len(ours) > naming.LONGEST or not ours.isprintable():
        raise naming.refused("subscription_id", ours, f"an id of at most {naming.LONGEST} visible characters")
    if is_new:
        store_providers.save(connection, Provider(under, ProviderType.MANUAL), now=who.now)
        naming.told(connection, who, "add provider", "provider", under, reason, {"type": "manual"})
    connection.execute(insert(subscription).values(**row))
    naming.told(connection, who, "add subscription", "subscription", ours, reason, row)
    return f"{fix.key} is our subscription {ours} now, under {under}{', a manual provider made for it' if is_new else ''}."


def _under(connection: Connection, fix: Fix, owner: Provider) -> tuple[str, bool]:
    """Where the subscription stands: under its own provider, or an old id under a manual one; and whether that is to be made first."""
    name = (fix.under or "").strip() or OLD_IDS
    found = store_providers.find(connection, name)
    if found is None:
        if name != OLD_IDS:
            raise naming.refused("under", name, f"a provider; `provider add {name} --type manual` adds it")
        return name, True
    if found.name == owner.name and found.type is not ProviderType.MANUAL and _is_old(connection, owner, fix.key):
        raise naming.refused("under", name, f"a manual provider: {owner.name} does not list {fix.key}, so it is an old id")
    if found.name != owner.name and found.type is not ProviderType.MANUAL:
        raise naming.refused("under", name, f"{owner.name} itself or a provider of type manual; {found.name} is {found.type.label}")
    return found.name, False


def _is_old(connection: Connection, owner: Provider, key: str) -> bool:
    """Whether the provider has told its subscriptions and this is none of them."""
    told = select(provider_subscription.c.provider_subscription_id).where(naming.same(provider_subscription.c.provider, owner.name))
    if connection.execute(told.limit(1)).first() is None:
        return False
    return connection.execute(told.where(provider_subscription.c.provider_subscription_id == key.strip().lower())).first() is None


def alias(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    owner = naming.whose(connection, fix)
    ours = naming.owned(connection, fix.subscription_id)
    stands = connection.execute(
        select(subscription_alias.c.subscription_id).where(
            naming.same(subscription_alias.c.provider, owner.name), naming.same(subscription_alias.c.provider_subscription_id, fix.key)
        )
    ).scalar()
    if stands == ours.subscription_id:
        return f"{fix.key} of {owner.name} is another id of {stands} already."
    _refuse_known(connection, owner, fix)
    row = {"provider": owner.name, "provider_subscription_id": fix.key.strip(), "subscription_id": ours.subscription_id}
    connection.execute(insert(subscription_alias).values(**row))
    naming.told(connection, who, "alias subscription", "subscription alias", f"{owner.name} {fix.key.strip()}", reason, row)
    return f"{fix.key} of {owner.name} is another id of our subscription {ours.subscription_id} now."


def _refuse_known(connection: Connection, owner: Provider, fix: Fix) -> None:
    """An id means one subscription: a second meaning would move its lines without a word."""
    alias = select(subscription_alias.c.subscription_id).where(
        naming.same(subscription_alias.c.provider, owner.name), naming.same(subscription_alias.c.provider_subscription_id, fix.key)
    )
    own = (
        select(subscription.c.subscription_id)
        .outerjoin(provider, func.lower(provider.c.name) == func.lower(subscription.c.provider))
        .where(
            naming.same(subscription.c.provider_subscription_id, fix.key),
            naming.same(subscription.c.provider, owner.name) | (provider.c.type == ProviderType.MANUAL),
        )
    )
    known = connection.execute(own.union_all(alias)).scalars().first()
    if known is not None:
        raise naming.refused("key", fix.key, f"an id that our records lack; it is our subscription {known} already")


def _kind(fix: Fix) -> str:
    return naming.one_of("kind", fix.kind, ("License", "Usage"))


def _usual_markup(connection: Connection) -> Decimal | None:
    """What is set as the markup of new usage subscriptions; None where nothing is."""
    return money.readable(preferences.values(connection)["default_markup_pct"])


def _quantity(fix: Fix) -> Decimal | None:
    """Usage is one; seats may be unknown."""
    if fix.kind == "Usage":
        return Decimal(1)
    if fix.quantity is not None and (not money.is_plausible(fix.quantity) or fix.quantity < 0):
        raise naming.refused("quantity", fix.quantity, "a number of seats, 0 or more")
    return fix.quantity
