"""What may only a signed-in person ask of Partner Center? A document by its number, and its PDF; everything else an app does alone.

A PDF's link is good for half an hour: it is asked for when the PDF is wanted, used once, and written down nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from w365core.errors import ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Provider, Secret
from w365core.providers.addresses import Service, admitted, allowed, configured_root
from w365core.providers.contract import Keep, Patience, SasExpired
from w365core.providers.device_code import Bearer, Rotation, SignIn
from w365core.providers.http import Access, Calls, naming_partner_center
from w365core.providers.replies import Reply, lacks_second_factor, parsed, refuse, second_factor

PERMISSION = "a signed-in person with the Admin agent or Billing admin role in the partner tenant (App+User)"
_VALIDATED = {"ValidateMfa": "true"}
_LINK = re.compile(rb'(?i)("(?:pdfDownloadLink|taxReceiptPdfDownloadLink)"\s*:\s*)"(?:[^"\\]|\\.)*"')
_PDF = b"%PDF-"


@dataclass(frozen=True)
class PersonalConnector:
    """Partner Center as a signed-in person has it."""

    provider: str
    root: str
    calls: Calls = field(repr=False)
    access: Access = field(repr=False)

    def document(self, number: str) -> tuple[Mapping[str, Any], bool | None]:
        """The document of that number, and whether the sign-in had a second factor. ProviderRefused where the person may not see it."""
        reply, what = self.reply(number), f"invoice {number}"
        if lacks_second_factor(reply):
            raise ProviderRefused(
                f"Partner Center answered {reply.status} to {what}: the sign-in of {self.provider} was made without MFA. Run `provider sign-in "
                f"{self.provider}` again and sign in again with MFA."
            )
        if not reply.is_fine:
            refuse(reply, what=what, label=self.access.label, permission=PERMISSION)
        return parsed(reply, what=what), second_factor(reply)

    def reply(self, number: str) -> Reply:
        """What Partner Center answers when it is asked for the document, whatever that is; its links are not kept."""
        return self.calls.call(
            self.access,
            method="GET",
            url=f"{self.root}/v1/invoices/{quote(number, safe='')}",
            what=f"invoice {number}",
            headers=_VALIDATED,
            expected=frozenset(range(300, 600)),
            cut=cut_document_links,
        )

    def has_second_factor(self) -> bool | None:
        """Whether the sign-in was made with MFA, as Partner Center says it; None where it does not say."""
        reply = self.calls.call(
            self.access,
            method="GET",
            url=f"{self.root}/v1/invoices?size=1&offset=0",
            what="the list of invoices",
            headers=_VALIDATED,
            expected=frozenset({401}),
        )
        return second_factor(reply)

    def pdf(self, number: str, to: Path) -> bool | None:
        """The document as a PDF, in that file; a failure leaves none. Whether the sign-in had a second factor, None where it was not said."""
        document, proved = self.document(number)
        link = document.get("pdfDownloadLink")
        if not isinstance(link, str) or not link.strip():
            raise ProviderUnavailable(f"Partner Center has no PDF of invoice {number} yet. Try again later.")
        link, what = link.strip(), f"the PDF of invoice {number}"
        own = self._own(link)
        try:
            if own is not None:
                self.calls.download(own, within=self.access.within, to=to, what=what, access=self.access)
            else:
                within = allowed(self.root, service=Service.DOCUMENTS)
                self.calls.download(admitted(link, within=within), within=within, to=to, what=what)
        except SasExpired:
            raise ProviderRefused(
                f"The link to {what} was refused as soon as it was given. Run the command again; report it if it stays."
            ) from None
        with to.open("rb") as file:
            is_pdf = _PDF in file.read(1024)
        if not is_pdf:
            to.unlink()
            raise ProviderChanged(f"Partner Center gave something else than a PDF for invoice {number}. Nothing was written; report it.")
        return proved

    def _own(self, link: str) -> str | None:
        """The address of a link into the interface itself, which wants the person's token; None for one that is signed, or elsewhere."""
        path = link.removeprefix(self.root) if link.startswith(f"{self.root}/") else link
        if not path.startswith("/") or path.startswith("//") or "?" in path:
            return None
        return f"{self.root}{'' if path.startswith('/v1/') else '/v1'}{path}"


def cut_document_links(content: bytes) -> bytes:
    """A document without the links that open it."""
    return _LINK.sub(rb'\1"(cut)"', content)


def signing_in(provider: Provider, *, secret: Secret, patience: Patience, **clockwork: Callable[..., Any]) -> SignIn:
    """The sign-in of persons for the provider's app; nothing of it is kept."""
    calls = Calls(patience=patience, keep=lambda answer: None, **clockwork)
    return SignIn(provider, secret=secret, root=configured_root(provider.login_url, service=Service.LOGIN), calls=calls)


def personal(
    provider: Provider, *, secret: Secret, patience: Patience, keep: Keep, rotation: Rotation, **clockwork: Callable[..., Any]
) -> PersonalConnector:
    """Partner Center for the person whose sign-in `rotation` keeps. `secret` is the app's; blank for a public one."""
    root = configured_root(provider.api_url, service=Service.PARTNER_CENTER)
    calls = Calls(patience=patience, keep=keep, **clockwork)
    sign_in = SignIn(provider, secret=secret, root=configured_root(provider.login_url, service=Service.LOGIN), calls=calls)
    token = Bearer(sign_in, calls=calls, rotation=rotation)
    within = allowed(root, service=Service.PARTNER_CENTER)
    return PersonalConnector(provider.name, root, calls, Access(within, token.bearer, token.renew, naming_partner_center, PERMISSION))
