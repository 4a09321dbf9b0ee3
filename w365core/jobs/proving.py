"""What does this provider's connection let us do? Asked right by right, imported is nothing; what is missing is said with who has to grant it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from w365core.errors import CallRefused
from w365core.jobs import signing_in, tokens
from w365core.jobs.context import Context
from w365core.model import SIGNED_IN, Answer, Provider
from w365core.providers import registry
from w365core.providers.contract import Patience
from w365core.providers.personal import PersonalConnector
from w365core.providers.probing import Proof, Verdict
from w365core.store import providers as store_providers
from w365core.store.engine import guarded
from w365core.store.tokens import signed_in

MOST_TRIES = 2


@dataclass(frozen=True)
class Proved:
    """Every right of a connection, in the order they were asked after."""

    provider: str
    proofs: tuple[Proof, ...]

    @property
    def exit_code(self) -> int:
        """3 where somebody did not answer, 1 where something is missing; what is not possible is nobody's fault."""
        verdicts = {proof.verdict for proof in self.proofs}
        return 3 if Verdict.NOT_REACHABLE in verdicts else 1 if Verdict.MISSING in verdicts else 0

    @property
    def sentence(self) -> str:
        """All of it in one."""
        of = {verdict: [proof.capability for proof in self.proofs if proof.verdict is verdict] for verdict in Verdict}
        others = [verdict for verdict in (Verdict.NOT_REACHABLE, Verdict.MISSING, Verdict.NOT_POSSIBLE) if of[verdict]]
        said = [f"{len(of[Verdict.WORKS])} of {len(self.proofs)} work", *(f"{verdict}: {', '.join(of[verdict])}" for verdict in others)]
        return f"{'; '.join(said)}."

    def as_dict(self) -> dict[str, Any]:
        checks = [asdict(proof) | {"verdict": str(proof.verdict)} for proof in self.proofs]
        return {"provider": self.provider, "works": self.exit_code == 0, "checks": checks}


def prove(context: Context, *, provider_name: str) -> Proved:
    """CallRefused for a provider without a connection, ConfigurationMissing without its secret."""
    with guarded(), context.engine.connect() as connection:
        provider = store_providers.named(connection, provider_name)
    if not registry.capabilities(provider.type).invoices:
        raise CallRefused(
            f"Provider {provider.name} is of type {provider.type}: there is no connection to test, its invoices come from files."
        )
    settings = context.settings
    connector = registry.connector(
        provider,
        secret=settings.provider_secret(provider.name),
        patience=Patience(timeout=settings.http_timeout, tries=min(settings.http_tries, MOST_TRIES), poll=settings.poll),
        keep=_nobody_keeps,
        rotation=tokens.rotation(context, provider),
        today=context.now.date(),
    )
    proofs = []
    for proof in registry.tried(provider, connector, person=_person(context, provider), today=context.now.date()):
        proof = _named(proof, provider)
        context.report(f"{provider.name}, {proof.capability}: {proof.verdict}{f'. {proof.said}' if proof.said else ''}")
        proofs.append(proof)
    return Proved(provider.name, tuple(proofs))


def _person(context: Context, provider: Provider) -> PersonalConnector | None:
    with guarded(), context.engine.connect() as connection:
        known = provider.type in SIGNED_IN and provider.name in signed_in(connection)
    return signing_in.personal(context, provider, keep=_nobody_keeps) if known else None


def _named(proof: Proof, provider: Provider) -> Proof:
    """Commands to run bear the provider's name."""
    said = proof.said.replace("sign-in NAME", f"sign-in {provider.name}").replace("add NAME", f"add {provider.name}")
    return replace(proof, said=said)


def _nobody_keeps(_answer: Answer) -> None:
    """A test leaves nothing behind."""
