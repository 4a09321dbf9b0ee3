"""What may the API key and the token do at StreamOne? Lists of one; the refresh token is exchanged once, and only where the host answers at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from w365core.errors import W365Error
from w365core.providers import streamone, streamone_accounts
from w365core.providers.probing import Probe, Proof, Verdict
from w365core.providers.streamone_connector import StreamOneConnector

INVOICES = Probe("v1 invoices", f"{streamone.PERMISSION}, in the secret as key:secret", streamone.WHAT)
TOKEN = Probe("v3 token", "a refresh token, made in StreamOne by a person", "the request for a token")
LISTS = tuple(Probe(kind, streamone_accounts.PERMISSION, f"the list of {kind}") for kind in ("customers", "subscriptions", "orders"))


def tried(connector: StreamOneConnector, *, person: None, today: date) -> Iterator[Proof]:
    """Right by right, each as soon as it is known."""
    since = date(today.year, today.month, 1)
    query = f"limit=1&offset=0&filter[billingStartDate:gte]={since}"
    invoices, _ = INVOICES.asked(connector.calls, connector.by_key, f"{connector.root}/api/v1/invoices/myinvoices?{query}")
    yield invoices
    token = _token(connector, invoices)
    yield token
    for probe in LISTS:
        yield _listed(connector, probe, token)


def _token(connector: StreamOneConnector, invoices: Proof) -> Proof:
    if invoices.verdict is Verdict.NOT_REACHABLE:
        return Proof(
            TOKEN.capability,
            Verdict.NOT_REACHABLE,
            TOKEN.permission,
            "Not asked for: the host did not answer, and a refresh token is good once.",
        )
    try:
        connector.by_token.bearer()
    except W365Error as error:
        return TOKEN.failed(error)
    return Proof(TOKEN.capability, Verdict.WORKS, TOKEN.permission)


def _listed(connector: StreamOneConnector, probe: Probe, token: Proof) -> Proof:
    if token.verdict is not Verdict.WORKS:
        return Proof(probe.capability, token.verdict, probe.permission, "It takes the v3 token.")
    if not connector.account:
        return Proof(
            probe.capability,
            Verdict.MISSING,
            probe.permission,
            "The provider has no account id. Add it: `provider add NAME --account-id …`.",
        )
    url = f"{connector.root}/api/v3/accounts/{connector.account}/{probe.capability}?pageSize=1"
    proof, _ = probe.asked(connector.calls, connector.by_token, url)
    if proof.status == 404 and probe.capability == "orders":
        return probe.not_possible("StreamOne has no list of orders for this account, so changes without a log of ours stay unproven.")
    return proof
