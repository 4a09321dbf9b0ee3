"""Which documents of the provider decide about a subscription's usage of a month, and whose is a missing reference?

Those that hold its usage. Where none does: those of its currency, but for documents whose lines are known and are others' while another one is
Active, and for documents without usage beside some with it. A subscription with usage on an Active document is not held up by another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache

from w365core.diagnosis.missing_usage_facts import ANOTHER, OWN, SAME_CUSTOMER, Document, Evidence, Missing, Month, Subscription
from w365core.model import ProviderType, ReferenceKind


def deciding(evidence: Evidence) -> list[Document]:
    """The documents of every month of the cycle that decide."""
    return [document for found in _by_month(evidence).values() for document in found]


def of_month(evidence: Evidence, month: Month) -> Sequence[Document]:
    """The documents that decide about its usage of that month; none: there is nothing of the provider yet that could."""
    return _by_month(evidence)[month.last_day]


@lru_cache(maxsize=16)  # one check after the other asks of the same evidence
def _by_month(evidence: Evidence) -> Mapping[date, Sequence[Document]]:
    return {month.last_day: _deciding(evidence, month) for month in evidence.months}


def _deciding(evidence: Evidence, month: Month) -> list[Document]:
    documents = [document for document in month.documents if _could_bring_usage(evidence, document)]
    mine = [document for document in documents if _holds(document, evidence)]
    if mine:
        return mine
    documents = _in_its_currency(evidence, documents)
    if any(document.is_active and document.usage for document in documents):
        documents = [document for document in documents if document.is_active or _may_hold(document, evidence)]
    with_usage = [document for document in documents if not _is_known_without_usage(document)]
    return with_usage or documents


def whose(missing: Missing, subscription: Subscription, currency: str | None) -> str:
    """Whether it is the subscription's own: its id, its customer's provider account, the currency of its usage; or one of the same customer; or not."""
    key = missing.key.strip().lower()
    if missing.kind is ReferenceKind.CURRENCY:
        return _whose_currency(missing, subscription, currency)
    if missing.kind is ReferenceKind.CUSTOMER:
        return OWN if key in subscription.customer_ids else ANOTHER
    if key in subscription.provider_ids:
        return OWN
    return SAME_CUSTOMER if missing.customer_id is not None and missing.customer_id in subscription.customer_ids else ANOTHER


def _whose_currency(missing: Missing, subscription: Subscription, currency: str | None) -> str:
    """By the usage lines in it; where there are none that are known, by the currency that usage is expected in."""
    if not missing.printed_for:
        return OWN if currency is not None and missing.key.strip().lower() == currency.lower() else ANOTHER
    if missing.printed_for & {*subscription.provider_ids, subscription.subscription_id}:
        return OWN
    return SAME_CUSTOMER if missing.printed_customers & subscription.customer_ids else ANOTHER


def own_first(document: Document, evidence: Evidence) -> list[tuple[str, Missing]]:
    """What blocks the document, with whose it is: its own first, then its customer's, then the biggest money."""
    rank = (OWN, SAME_CUSTOMER, ANOTHER)
    found = [(whose(one, evidence.subscription, evidence.currency), one) for one in document.missing if one.kind.blocking]
    return sorted(found, key=lambda pair: (rank.index(pair[0]), -pair[1].amount.copy_abs(), pair[1].kind, pair[1].key))


def months_without(evidence: Evidence) -> Iterator[Month]:
    """The months of which there is no document that could bring its usage, and that the cycle's invoice waits for."""
    return iter(()) if _is_billed_as_it_is(evidence) else _without(evidence)


def months_left_out(evidence: Evidence) -> list[Month]:
    """The months without a document that nothing waits for: a due cycle with usage is billed with what there is, and what comes later as late."""
    return list(_without(evidence)) if _is_billed_as_it_is(evidence) else []


def _is_billed_as_it_is(evidence: Evidence) -> bool:
    return bool(evidence.live_rows) and evidence.today >= evidence.invoice_date


def _without(evidence: Evidence) -> Iterator[Month]:
    used = {(rows.day.year, rows.day.month) for rows in evidence.live_rows if rows.day is not None}  # also on a document of a later month
    return (month for month in evidence.months if not of_month(evidence, month) and (month.last_day.year, month.last_day.month) not in used)


def _holds(document: Document, evidence: Evidence) -> bool:
    return bool(document.mine) or any(
        one.kind is ReferenceKind.SUBSCRIPTION and whose(one, evidence.subscription, evidence.currency) == OWN for one in document.missing
    )


def _may_hold(document: Document, evidence: Evidence) -> bool:
    """Whether its lines are unknown, or an id of the same customer is missing on it, which may be another id of this subscription."""
    return document.mine is not False or any(
        whose(one, evidence.subscription, evidence.currency) == SAME_CUSTOMER for one in document.missing
    )


def _could_bring_usage(evidence: Evidence, document: Document) -> bool:
    """What a connector without usage has brought are licenses; a file by hand may hold anything."""
    is_able = evidence.source.gives_usage or evidence.source.kind == ProviderType.MANUAL
    return is_able or document.source == "file" or bool(document.usage) or bool(document.mine)


def _in_its_currency(evidence: Evidence, documents: Sequence[Document]) -> list[Document]:
    """A provider has a document for each currency: others say nothing about its usage, where the provider is known to have some in its currency."""
    wanted = (evidence.currency or "").upper()
    own = [document for document in documents if document.currency.upper() == wanted]
    return own if own or wanted in evidence.source.currencies else list(documents)


def _is_known_without_usage(document: Document) -> bool:
    """Whether its lines are here, and none of them is usage."""
    return bool(document.lines) and not document.usage
