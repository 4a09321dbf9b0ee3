"""Where is the PDF of this invoice? At the provider: it is fetched when it is asked for, as the person who signed in, and its link is kept nowhere."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from w365core.errors import CallRefused
from w365core.jobs import signing_in
from w365core.jobs.context import Context
from w365core.jobs.syncing import keeping
from w365core.model import Provider
from w365core.store import ledger, providers as store_providers
from w365core.store.engine import guarded

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Fetched:
    provider: str
    invoice: str
    file: Path
    size: int


def fetch_pdf(context: Context, *, provider_name: str | None, invoice_number: str, to: Path) -> Fetched:
    """Writes the invoice's PDF into the file: whole, or not at all. CallRefused where nobody has signed in, or the file cannot be written."""
    provider, number = _asked(context, provider_name, invoice_number.strip())
    with guarded():
        personal = signing_in.personal(context, provider, keep=keeping(context, provider, sync_run_id=None))
        if to.is_dir() or not to.absolute().parent.is_dir():
            raise CallRefused(f"{to} cannot be written to: name a file in a folder that is there with --out.")
        aside = to.with_name(f".{to.name}.{secrets.token_hex(4)}")
        try:
            proved = personal.pdf(number, aside)
            os.replace(aside, to)
        except OSError as error:
            raise CallRefused(f"{to} cannot be written to: {error.strerror}. Choose another file with --out.") from None
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
    if proved is False:
        context.report(
            f"Partner Center says that the sign-in of {provider.name} was made without MFA, and may refuse it next time. Run `provider sign-in {provider.name}` "
            "again and sign in again with MFA."
        )
    return Fetched(provider.name, number, to, to.stat().st_size)


def _asked(context: Context, provider_name: str | None, number: str) -> tuple[Provider, str]:
    """Whose invoice it is, and its number as listed; one that was never imported needs its provider's name. CallRefused where it is nobody's."""
    with guarded():
        known = ledger.find(context.engine, provider_name=provider_name, invoice_number=number)
        if known is None and (not provider_name or not _NUMBER.fullmatch(number)):
            raise CallRefused(
                f"There is no invoice {number}; `invoices` shows those there are, and --provider NAME asks for one that is not here."
            )
        with context.engine.connect() as connection:
            provider = store_providers.named(connection, known.provider if known else provider_name or "")
    return provider, known.invoice_number if known else number
