"""Which of our accounts is a customer of the provider's? By domain, then by name, with how sure that is; nothing is applied here.

Certain (1) is only a domain that one account and one customer have. A name alone never is: equal names 0.95, equal but for the company's form,
accents and punctuation 0.90, similar ones less. Where several accounts are equally good there is no choice, but a list.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rapidfuzz import fuzz, process

from w365core.model import ProviderCustomer

Account = tuple[str, str | None, str | None]  # account id, name, domain

CERTAIN = Decimal(1)
SHARED_DOMAIN = Decimal("0.80")  # another customer has the domain too, so one of them may be somebody else
EQUAL_NAME = Decimal("0.95")
EQUAL_BUT_FOR_FORM = Decimal("0.90")
LEAST_SIMILAR = 80  # of 100
MOST_LISTED = 5
_SHORT = 4  # letters under which two names are never similar

_FORMS = {
    *("ltd", "limited", "inc", "incorporated", "corp", "corporation", "co", "company", "llc", "llp", "lp", "plc", "pty", "pte"),
    *("gmbh", "mbh", "ag", "kg", "kgaa", "ohg", "gbr", "ug", "eg", "ev", "se", "sa", "sas", "sarl", "srl", "spa", "snc", "sl", "slu"),
    *("bv", "nv", "vof", "cv", "ab", "as", "asa", "aps", "oy", "oyj", "kft", "zrt", "doo", "dd", "sro", "spzoo", "ltda", "lda"),
    *("sdn", "bhd", "kk"),
}
_LONGEST_FORM = 3  # words: sp. z o.o.
_JOINING = frozenset({"and", "und", "et", "y", "en", "og"})
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "&": " and ", "+": " and "})


@dataclass(frozen=True)
class Match:
    """The account it most likely is, how sure (0 to 1), and why. Without an account: the `candidates` that are equally good."""

    account_id: str | None
    name: str | None
    confidence: Decimal | None
    because: str
    candidates: tuple[str, ...] = ()

    @property
    def is_certain(self) -> bool:
        return self.confidence == CERTAIN


class Accounts:
    """Our accounts, made ready to be compared with many customers. `shared` are the domains that several unmapped customers have."""

    def __init__(self, accounts: Sequence[Account], *, customers: Sequence[ProviderCustomer] = ()) -> None:
        self._accounts = list(accounts)
        self._by_domain = _numbered(domain_of(domain) for _, _, domain in accounts)
        self._by_name = _numbered(_spaced(name) for _, name, _ in accounts)
        self._by_essence = _numbered(essence(name) for _, name, _ in accounts)
        # Essences by the numbers in them: names with different numbers are different, however alike they look.
        self._alike: dict[tuple[str, ...], list[str]] = {}
        for text in self._by_essence:
            if len(text) > _SHORT:
                self._alike.setdefault(_numbers(text), []).append(text)
        counted = Counter(domain_of(customer.domain) for customer in customers)
        self._shared = {domain for domain, times in counted.items() if times > 1}

    def match(self, *, name: str | None, domain: str | None) -> Match | None:
        """The best of them for a customer of that name and domain; None where none is like it."""
        wanted = domain_of(domain)
        same = self._by_domain.get(wanted, [])
        if len(same) == 1:
            shared = wanted in self._shared
            because = f"same domain {wanted}" + (", which other customers have too" if shared else "")
            return self._one(same[0], SHARED_DOMAIN if shared else CERTAIN, because)
        found = self._named(name, among=frozenset(same))
        if found is None and same:
            return self._several(same, f"{len(same)} accounts have the domain {wanted}")
        return found

    def _named(self, name: str | None, *, among: frozenset[int]) -> Match | None:
        """The best by name: of all accounts, or of those that share the customer's domain."""
        wanted = essence(name)
        if not wanted:
            return None
        for confidence, because, equal in (
            (EQUAL_NAME, "same name", self._by_name.get(_spaced(name), [])),
            (EQUAL_BUT_FOR_FORM, "same name but for its form", self._by_essence.get(wanted, [])),
        ):
            equal = [number for number in equal if not among or number in among]
            if equal:
                return (
                    self._one(equal[0], confidence, because)
                    if len(equal) == 1
                    else self._several(equal, f"{len(equal)} accounts: {because}")
                )
        return self._similar(wanted, among=among)

    def _similar(self, wanted: str, *, among: frozenset[int]) -> Match | None:
        choices = self._alike.get(_numbers(wanted), []) if len(wanted) > _SHORT else []
        if among:
            choices = [text for text in choices if not among.isdisjoint(self._by_essence[text])]
        scored = process.extract(wanted, choices, scorer=fuzz.ratio, score_cutoff=LEAST_SIMILAR, limit=None)
        percents = [(round(score), text) for text, score, _ in scored]
        if not percents:
            return None
        percent = max(percents)[0]
        alike = [number for rounded, text in percents if rounded == percent for number in self._by_essence[text]]
        best = sorted(number for number in alike if not among or number in among)
        confidence = Decimal(percent * 9 // 10).scaleb(-2)  # never above a name that is equal but for its form
        if len(best) == 1:
            return self._one(best[0], confidence, f"similar name, {percent} of 100")
        return self._several(best, f"{len(best)} accounts have equally similar names")

    def _one(self, number: int, confidence: Decimal, because: str) -> Match:
        account_id, name, _ = self._accounts[number]
        return Match(account_id, name, confidence, because)

    def _several(self, numbers: Sequence[int], because: str) -> Match:
        listed = tuple(self._accounts[number][0] for number in numbers[:MOST_LISTED])
        more = "" if len(numbers) <= MOST_LISTED else f" and {len(numbers) - MOST_LISTED} more"
        return Match(None, None, None, f"{because}: {', '.join(listed)}{more}", listed)


def domain_of(text: str | None) -> str:
    """contoso.example for https://www.Contoso.example/ and @contoso.example; blank for none."""
    bare = re.sub(r"^(?:[a-z]+://)?(?:[^@/]*@)?(?:www\.)?", "", (text or "").strip().lower())
    return re.split(r"[/:?#\s]", bare, maxsplit=1)[0].strip(".")


def essence(name: str | None) -> str:
    """The name without accents, punctuation, joining words and the company's form, its words in alphabetical order."""
    words = [word for word in _words(name) if word not in _JOINING] or _words(name)
    while len(words) > 1:
        ending = next((n for n in range(min(_LONGEST_FORM, len(words) - 1), 0, -1) if "".join(words[-n:]) in _FORMS), 0)
        if not ending:
            break
        words = words[:-ending]
    return " ".join(sorted(words))


def _words(name: str | None) -> list[str]:
    """B.V. -> bv; Müller-Söhne -> muller, sohne."""
    plain = unicodedata.normalize("NFKD", (name or "").casefold().translate(_LETTERS))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", " ", re.sub(r"[.'’`]", "", letters)).split()


def _spaced(name: str | None) -> str:
    return " ".join((name or "").casefold().split())


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\d+", text))


def _numbered(texts: Iterable[str]) -> dict[str, list[int]]:
    """Text -> the numbers of the accounts that have it; blanks are nobody's."""
    found: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        if text:
            found.setdefault(text, []).append(number)
    return found
