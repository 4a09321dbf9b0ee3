"""Which product do lines stand for? Chosen for one subscription or for all that print it, or made with the printed id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from w365core.model import Fix
from w365core.store import stage, supplied_names as naming
from w365core.store.ledger import Who
from w365core.store.tables import missing_reference, product, provider_invoice, subscription


def choose(connection: Connection, fix: Fix, who: Who, reason: str | None) -> str:
    """Of one subscription, or of every one whose lines print the key; a product with the printed id is made where there is none."""
    wanted = (fix.product_id or "").strip()
    if not wanted:
        raise naming.refused("product_id", None, "the id of a product, or the printed one for a new product")
    known = connection.execute(select(product.c.product_id).where(naming.same(product.c.product_id, wanted))).scalar()
    made = ""
    if known is None:
        if wanted.lower() != fix.key.strip().lower() and not (fix.subscription_id and fix.name):
            raise naming.refused("product_id", wanted, "a product of ours, or the printed id for a new product")
        known = wanted
        row = {"product_id": wanted, "name": fix.name or wanted, "billing_type": fix.billing_type, "unit": "Monthly"}
        connection.execute(insert(product).values(**row))
        naming.told(connection, who, "add product", "product", wanted, reason, row)
        made = f"{wanted} is a product of ours now{f' ({fix.name})' if fix.name else ''}."
    if not fix.subscription_id and known.lower() == fix.key.strip().lower():
        return made or f"{known} is a product of ours already."
    chosen = _given_product(connection, fix, known, who, reason)
    return " ".join(filter(None, [made, chosen]))


def _given_product(connection: Connection, fix: Fix, product_id: str, who: Who, reason: str | None) -> str:
    if fix.subscription_id:
        owned = [naming.owned(connection, fix.subscription_id)]
    else:
        owned = _printing(connection, fix)
        if not owned:
            raise naming.refused("key", fix.key, "a product that lines of a subscription of ours print")
    changed = [one for one in owned if one.product_id != product_id]
    for one in changed:
        if one.product_id is not None and _is_product(connection, one.product_id):
            raise naming.refused(
                "subscription_id", one.subscription_id, f"a subscription without a product; it has {one.product_id}, which a load changes"
            )
        connection.execute(update(subscription).where(subscription.c.subscription_id == one.subscription_id).values(product_id=product_id))
        before, after = {"product_id": one.product_id}, {"product_id": product_id}
        naming.told(connection, who, "choose product", "subscription", one.subscription_id, reason, after, before)
    named = ", ".join(one.subscription_id for one in changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    return f"{named or owned[0].subscription_id} {'have' if len(changed) > 1 else 'has'} the product {product_id}{' now' if changed else ' already'}."


def _printing(connection: Connection, fix: Fix) -> list[Any]:
    """The subscriptions of ours without a known product whose lines print the key, on invoices where it was missing."""
    query = (
        select(provider_invoice.c.provider_invoice_id, provider_invoice.c.import_run_id)
        .join(missing_reference, missing_reference.c.provider_invoice_id == provider_invoice.c.provider_invoice_id)
        .where(missing_reference.c.kind == "product", naming.same(missing_reference.c.key, fix.key))
    )
    if fix.provider:
        query = query.where(naming.same(provider_invoice.c.provider, fix.provider))
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


def _is_product(connection: Connection, printed: str) -> bool:
    known = naming.same(product.c.product_id, printed) | naming.same(product.c.provider_part_number, printed)
    return connection.execute(select(product.c.product_id).where(known).limit(1)).first() is not None
