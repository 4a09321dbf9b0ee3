"""What may the app, and the person who signed in, do at Partner Center and Graph? Lists of one, and exports of an invoice that cannot exist.

Graph has no list that would show the right to export. An export of an impossible invoice is refused with 400 or 404 by whoever may ask for one, and with
403 by whoever may not; should it be accepted after all, that proves the right too, and nobody fetches what comes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote

from w365core.errors import W365Error
from w365core.providers.microsoft_connector import MicrosoftConnector
from w365core.providers.personal import PERMISSION as PERSONAL, PersonalConnector
from w365core.providers.probing import Probe, Proof, Verdict, first_items
from w365core.providers.replies import second_factor

ADMIN_AGENT = "the Admin agent role in Partner Center to the app (app-only: Account settings, User management, Web app)"
EXPORTS = (
    "PartnerBilling.Read.All of Microsoft Graph as an application permission (app role 7c3e1994-38ff-4412-a99b-9369f6bb7706), with admin consent in "
    "the partner tenant"
)
IMPOSSIBLE = "W365-CONNECTION-TEST"
MOST_CUSTOMERS = 3

HEADERS = Probe("invoice headers", ADMIN_AGENT, "the list of invoices")
LINES = Probe("license lines", EXPORTS, "the reconciliation export of an invoice that does not exist", frozenset({400, 404}))
USAGE = Probe("usage", EXPORTS, "the usage export of an invoice that does not exist", frozenset({400, 404}))
CUSTOMERS = Probe("customers", ADMIN_AGENT, "the list of customers")
SUBSCRIPTIONS = Probe(
    "subscriptions", f"{ADMIN_AGENT}, and have a reseller relationship with the customer", "the subscriptions of a customer"
)
CHANGES = Probe("audit records", ADMIN_AGENT, "the audit records of today")
PDF = Probe("PDF", PERSONAL, "an invoice by its number")


def tried(connector: MicrosoftConnector, *, person: PersonalConnector | None, today: date) -> Iterator[Proof]:
    """Right by right, each as soon as it is known."""
    calls, api, access = connector.calls, f"{connector.roots.partner_center}/v1", connector.headers_access
    headers, listed = HEADERS.asked(calls, access, f"{api}/invoices?size=1&offset=0")
    yield headers
    exports = f"{connector.roots.graph}/v1.0/reports/partners/billing"
    for probe, feed in ((LINES, "reconciliation"), (USAGE, "usage")):
        body = {"invoiceId": IMPOSSIBLE, "attributeSet": "full"}
        yield probe.asked(calls, connector.lines_access, f"{exports}/{feed}/billed/export", body=body)[0]
    customers, known = CUSTOMERS.asked(calls, access, f"{api}/customers?size={MOST_CUSTOMERS}")
    yield customers
    yield _subscriptions(connector, api, customers, first_items(known))
    yield CHANGES.asked(calls, access, f"{api}/auditrecords?startDate={today}&endDate={today}&size=1")[0]
    yield _pdf(person, headers, first_items(listed))


def _subscriptions(connector: MicrosoftConnector, api: str, customers: Proof, known: list[Mapping[str, Any]]) -> Proof:
    """Of the first customer that tells: one that has left refuses, whatever the app may do."""
    if customers.verdict is not Verdict.WORKS:
        return SUBSCRIPTIONS.not_possible("It takes the list of customers, which could not be had.")
    proof = SUBSCRIPTIONS.not_possible("There is no customer to ask about.")
    for customer in known[:MOST_CUSTOMERS]:
        url = f"{api}/customers/{quote(str(customer.get('id')), safe='')}/subscriptions"
        proof, _ = SUBSCRIPTIONS.asked(connector.calls, connector.headers_access, url)
        if proof.verdict is not Verdict.MISSING:
            break
    return proof


def _pdf(person: PersonalConnector | None, headers: Proof, listed: list[Mapping[str, Any]]) -> Proof:
    if person is None:
        return PDF.not_possible("An app alone may not: run `provider sign-in NAME`. Nothing else needs it.")
    if headers.verdict is not Verdict.WORKS:
        return PDF.not_possible("It takes the list of invoices, which could not be had.")
    if not listed:
        return PDF.not_possible("There is no invoice to ask for.")
    try:
        reply = person.reply(str(listed[0].get("id")))
    except W365Error as error:
        return PDF.failed(error)
    proof = PDF.proof(reply, label=person.access.label)
    if proof.verdict is Verdict.WORKS and second_factor(reply) is False:
        return replace(
            proof, verdict=Verdict.MISSING, said="The sign-in was made without MFA. Run `provider sign-in NAME` again, with MFA."
        )
    return proof
